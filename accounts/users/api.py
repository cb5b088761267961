"""REST interface for users: list, create, invite, change. Each view converts the request and calls one service."""

from http import HTTPStatus
from typing import cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.principals import Principal
from accounts.rest import AuthView, OptionalReasonSerializer
from accounts.second_factors.services import totp
from accounts.users.serializers import (
    CreatedUserSerializer,
    CreateUserSerializer,
    InvitationSerializer,
    ListedUserSerializer,
    MeSerializer,
    PasswordResetSerializer,
    PasswordSerializer,
    UpdateUserSerializer,
    UserQuerySerializer,
)
from accounts.users.services import creation, editing, invitations, listing, password_resets
from accounts.users.services.editing import UserUpdate
from accounts.users.services.listing import ListedUser, UserFilter
from audit.sequencing.catching_up import ShowsLog
from kernel.rest.fields import StrictSerializer
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, Rule


class UserListView(ShowsLog, ApiView[Principal]):
    rules = {
        "GET": Rule("users.read", actions.USER_LISTED),
        "POST": Rule("users.manage", actions.USER_CREATED),
    }

    @extend_schema(
        operation_id="users_list",
        parameters=[UserQuerySerializer],
        responses=page_serializer(ListedUserSerializer, "UserPage"),
    )
    def get(self, _request: Request) -> Response:
        """The users."""
        query = self.read_query(UserQuerySerializer)
        only = {name: value for name, value in query.items() if name not in {"page", "limit"}}
        users = listing.list_users(principal=self.principal, only=cast("UserFilter", only))
        return self.page(users, ListedUserSerializer, listing.describe_users)

    @extend_schema(
        request=CreateUserSerializer, parameters=[LOCATION], responses={201: CreatedUserSerializer}
    )
    @idempotent(response_is_secret=True)
    def post(self, _request: Request) -> Response:
        """Create a user. Without a password, the response has a link to choose one. Requires a recent sign-in."""
        order = self.read(CreateUserSerializer)
        invitation = {}
        if order.get("password") is None:
            order.pop("password", None)
            issued = invitations.invite_user(principal=self.principal, **order)
            user, invitation = issued.user, {"invitation_url": issued.url}
        else:
            user = creation.create_user(principal=self.principal, **order)
        known = listing.get_user(principal=self.principal, user_id=user.id)
        location = reverse("api-user", kwargs={"user_id": user.id})
        body = ListedUserSerializer(known).data | invitation
        return Response(body, status=HTTPStatus.CREATED, headers={"Location": location})


class UserView(ShowsLog, ApiView[Principal]):
    """Base class of views whose URL names a user."""

    object_reference = ("user", "user_id")

    def show_changed(self, user_id: UUID) -> Response:
        """The user as stored now."""
        return self.show(listing.get_changed_user(principal=self.principal, user_id=user_id))

    def show(self, known: ListedUser) -> Response:
        return Response(ListedUserSerializer(known).data, headers={"ETag": etag_of(known.user.row_seq)})


class UserDetailView(UserView):
    rules = {
        "GET": Rule("users.read", actions.USER_READ),
        "PATCH": Rule("users.manage", actions.USER_UPDATED),
    }

    @extend_schema(parameters=[ETAG], responses=ListedUserSerializer)
    def get(self, _request: Request, user_id: UUID) -> Response:
        """One user."""
        return self.show(listing.get_user(principal=self.principal, user_id=user_id))

    @extend_schema(request=UpdateUserSerializer, parameters=[IF_MATCH, ETAG], responses=ListedUserSerializer)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Change all given members, or none. A new role requires a recent sign-in."""
        check = if_match(request)
        changes = self.read(UpdateUserSerializer)
        reason = changes.pop("reason", "")
        editing.update_user(
            principal=self.principal,
            user_id=user_id,
            changes=cast("UserUpdate", changes),
            reason=reason,
            check=check,
        )
        return self.show_changed(user_id)


class InvitationView(UserView):
    """The link by which a user without a password chooses one."""

    rules = {
        "POST": Rule("users.manage", actions.INVITATION_ISSUED),
        "DELETE": Rule("users.manage", actions.INVITATION_REVOKED),
    }

    def require_visible(self) -> None:
        listing.get_user(principal=self.principal, user_id=self.kwargs["user_id"])

    @extend_schema(request=None, responses=InvitationSerializer)
    @idempotent(response_is_secret=True)
    def post(self, _request: Request, user_id: UUID) -> Response:
        """Issue a new link. The previous one stops working. Requires a recent sign-in."""
        self.read(StrictSerializer)
        issued = invitations.reissue_invitation(principal=self.principal, user_id=user_id)
        body = {"id": user_id, "invitation_url": issued.url, "expires_at": issued.expires_at}
        return Response(InvitationSerializer(body).data)

    def delete(self, _request: Request, user_id: UUID) -> Response:
        """End the link. The user stays, without a password."""
        invitations.revoke_invitation(principal=self.principal, user_id=user_id)
        return Response(status=HTTPStatus.NO_CONTENT)


class PasswordResetView(UserView):
    """The link by which a user who forgot their password chooses another one."""

    rules = {"POST": Rule("users.manage", actions.PASSWORD_RESET_ISSUED)}

    def require_visible(self) -> None:
        listing.get_user(principal=self.principal, user_id=self.kwargs["user_id"])

    @extend_schema(request=OptionalReasonSerializer, responses=PasswordResetSerializer)
    @idempotent(response_is_secret=True)
    def post(self, _request: Request, user_id: UUID) -> Response:
        """Issue a link that resets the password, and end all sessions and tokens. Requires a recent sign-in."""
        order = self.read(OptionalReasonSerializer)
        issued = password_resets.issue_password_reset(principal=self.principal, user_id=user_id, **order)
        body = {"id": user_id, "reset_url": issued.url, "expires_at": issued.expires_at}
        return Response(PasswordResetSerializer(body).data)


class SignOutView(UserView):
    """End all sessions of the user."""

    rules = {"POST": Rule("users.manage", actions.USER_SIGNED_OUT)}

    @extend_schema(request=OptionalReasonSerializer, responses=ListedUserSerializer)
    def post(self, _request: Request, user_id: UUID) -> Response:
        order = self.read(OptionalReasonSerializer)
        editing.sign_out_everywhere(principal=self.principal, user_id=user_id, **order)
        return self.show_changed(user_id)


class UnlockView(UserView):
    """Clear the failed sign-ins of the user."""

    rules = {"POST": Rule("users.manage", actions.USER_UNLOCKED)}

    @extend_schema(request=None, responses=ListedUserSerializer)
    def post(self, _request: Request, user_id: UUID) -> Response:
        self.read(StrictSerializer)
        editing.unlock_user(principal=self.principal, user_id=user_id)
        return self.show_changed(user_id)


class ResetTotpView(UserView):
    """Remove the authenticator of a user who has lost it. Requires a recent sign-in."""

    rules = {"POST": Rule("users.manage", actions.TOTP_RESET)}

    @extend_schema(request=OptionalReasonSerializer, responses=ListedUserSerializer)
    def post(self, _request: Request, user_id: UUID) -> Response:
        order = self.read(OptionalReasonSerializer)
        totp.reset_totp(principal=self.principal, user_id=user_id, **order)
        return self.show_changed(user_id)


class MeView(AuthView):
    """The caller, their sign-in method and time, and when the token expires."""

    rules = {"GET": Rule(AUTHENTICATED, actions.SESSION_READ)}

    @extend_schema(responses=MeSerializer)
    def get(self, _request: Request) -> Response:
        user = editing.get_own_user(principal=self.principal)
        return Response(MeSerializer(user, context={"view": self}).data)


class PasswordView(AuthView):
    """Change the caller's password and end all their sessions."""

    rules = {"POST": Rule(AUTHENTICATED, actions.PASSWORD_CHANGED)}

    @extend_schema(request=PasswordSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, _request: Request) -> Response:
        editing.change_password(principal=self.principal, **self.read(PasswordSerializer))
        return Response(status=HTTPStatus.NO_CONTENT)
