"""The list of users, one user, and inviting a user."""

from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django_htmx.http import push_url

from accounts import actions
from accounts.models.roles import description_of
from accounts.principals import Principal
from accounts.roles import MANAGES_USERS
from accounts.tokens.services import listing as token_listing
from accounts.users.forms import InviteForm, UserFilterForm
from accounts.users.operations import SHOWN_ONCE, USER_OPERATIONS, UserOperation, show_link
from accounts.users.services import creation, invitations, listing
from accounts.users.services.listing import ListedUser, UserFilter
from accounts.users.services.one_time_links import IssuedLink
from audit.sequencing.catching_up import ShowsLog
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView
from kernel.rules import Rule

_LIMIT = 50


class UserListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("users.read", actions.USER_LISTED)}
    section = "users"
    template = "accounts/users.html"
    parts = frozenset({"user-results", "more-users"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = UserFilterForm.read(request.GET)
        after = request.GET.get("after", "")
        if not creation.USERNAME.fullmatch(after):
            after = ""
        window = listing.list_users_after(
            principal=self.principal, only=cast("UserFilter", form.given), after=after, limit=_LIMIT
        )
        response = self.page(
            form=form,
            rows=window.users,
            next_after=window.next_after,
            is_first=not after,
            chips=form.chips(),
            list_url=reverse("users"),
            may_manage=self.principal.has_permission(MANAGES_USERS),
        )
        if self.target == "user-results":
            push_url(response, form.address(reverse("users")))
        return response


class InviteUserView(FormView[Principal, InviteForm]):
    """Create a user. The response to the form shows the link, which no other page shows."""

    rules = {method: Rule("users.manage", actions.USER_CREATED) for method in ("GET", "POST")}
    section = "users"
    template = "accounts/user_new.html"
    draft_fields = tuple(InviteForm.base_fields)
    needs_recent_sign_in = True
    shown_once = SHOWN_ONCE
    return_name = "users"

    def form(self, data: QueryDict | None = None) -> InviteForm:
        return InviteForm(data, initial={"role": self.request.GET.get("role")})

    def perform(self, form: InviteForm) -> IssuedLink:
        return invitations.invite_user(principal=self.principal, **form.cleaned_data)

    def respond(self, result: IssuedLink) -> HttpResponse:
        return show_link(self, None, result)


class UserView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("users.read", actions.USER_READ)}
    section = "users"
    object_reference = ("user", "user_id")
    template = "accounts/user.html"

    def get(self, request: HttpRequest, user_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        listed = listing.get_user(principal=self.principal, user_id=user_id)
        operations = self._operations(listed)
        return self.page(
            listed=listed,
            account=listed.user,
            is_out_of_reach=self._may_manage and bool(self.principal.lacks(listed.user.rights)),
            is_self=listed.user.id == self.principal.user_id,
            description=description_of(listed.user.role),
            operations=[each for each, refusal in operations if not refusal and not each.is_danger],
            dangers=[each for each, refusal in operations if not refusal and each.is_danger],
            last_admin=next((why for each, why in operations if each.removes_admin and why), ""),
            tokens=self._tokens(listed),
            limit=token_listing.LIMIT,
        )

    @property
    def _may_manage(self) -> bool:
        return self.principal.has_permission(MANAGES_USERS)

    def _tokens(self, listed: ListedUser) -> list[token_listing.ListedToken]:
        if not self._may_manage:
            return []
        return token_listing.list_recent_tokens(principal=self.principal, owner=listed.user.identity)

    def _operations(self, listed: ListedUser) -> list[tuple[UserOperation, str]]:
        """The operations that the role of the caller allows, each with the reason why it is unavailable."""
        if not self._may_manage:
            return []
        rights = listed.user.rights
        is_self = listed.user.id == self.principal.user_id
        return [
            (each, each.refusal(listed))
            for each in USER_OPERATIONS.values()
            if not (is_self and each.is_for_others)
            and not self.principal.lacks(rights, to_take_away=each.takes_away)
        ]
