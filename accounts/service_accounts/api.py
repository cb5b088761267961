"""REST interface for service accounts and service tokens."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.models import ServiceAccount
from accounts.principals import Principal
from accounts.roles import permission_of
from accounts.service_accounts.serializers import (
    ClientSecretSerializer,
    CreatedServiceAccountSerializer,
    CreatedTokenSerializer,
    NewServiceAccountSerializer,
    NewTokenSerializer,
    OverlapSerializer,
    ServiceAccountChangesSerializer,
    ServiceAccountSerializer,
    TokenSerializer,
)
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.service_accounts.services.tokens import CreatedToken, TokenRequest
from accounts.tokens.services import listing
from audit.sequencing.catching_up import ShowsLog
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView, DeleteView
from kernel.rules import Rule


class ServiceAccountListView(ApiView[Principal]):
    rules = {
        "GET": Rule("users.read", actions.SERVICE_ACCOUNT_LISTED),
        "POST": Rule("users.manage", actions.SERVICE_ACCOUNT_CREATED),
    }

    @extend_schema(
        operation_id="service_accounts_list",
        parameters=[PageQuery],
        responses=page_serializer(ServiceAccountSerializer),
    )
    def get(self, _request: Request) -> Response:
        """The service accounts, by name."""
        self.read_query(PageQuery)
        found = service_accounts.list_service_accounts(principal=self.principal)
        return self.page(found, ServiceAccountSerializer)

    @extend_schema(
        request=NewServiceAccountSerializer,
        parameters=[LOCATION],
        responses={201: CreatedServiceAccountSerializer},
    )
    @idempotent(response_is_secret=True)
    def post(self, _request: Request) -> Response:
        """Create a service account. Only this response contains its client secret. Requires a recent sign-in."""
        body = self.read(NewServiceAccountSerializer)
        created = service_accounts.create_service_account(principal=self.principal, **body)
        account = created.account
        shown = {**ServiceAccountSerializer(account).data, "client_id": str(account.id)}
        location = reverse("service-account", kwargs={"account_id": account.id})
        return Response(
            {**shown, "client_secret": created.client_secret},
            status=HTTPStatus.CREATED,
            headers={"Location": location},
        )


class ServiceAccountView(ApiView[Principal]):
    rules = {
        "GET": Rule("users.read", actions.SERVICE_ACCOUNT_READ),
        "PATCH": Rule("users.manage", actions.SERVICE_ACCOUNT_CHANGED),
    }
    object_reference = ("service_account", "account_id")

    @extend_schema(parameters=[ETAG], responses=ServiceAccountSerializer)
    def get(self, _request: Request, account_id: UUID) -> Response:
        """One service account."""
        account = service_accounts.get_service_account(principal=self.principal, account_id=account_id)
        return _with_etag(account)

    @extend_schema(
        request=ServiceAccountChangesSerializer,
        parameters=[IF_MATCH, ETAG],
        responses=ServiceAccountSerializer,
    )
    def patch(self, request: Request, account_id: UUID) -> Response:
        """Change the role or the description, or disable the account. Its tokens follow at once."""
        changes = self.read(ServiceAccountChangesSerializer)
        account = service_accounts.update_service_account(
            principal=self.principal,
            account_id=account_id,
            reason=changes.pop("reason", ""),
            changes=changes,  # type: ignore[arg-type]  # its fields are these
            check=if_match(request),
        )
        return _with_etag(account)


class RotateSecretView(ApiView[Principal]):
    """A new client secret. Older secrets stay valid for `overlap_hours`. Requires a recent sign-in."""

    rules = {"POST": Rule("users.manage", actions.CLIENT_SECRET_ROTATED)}
    object_reference = ("service_account", "account_id")

    def require_visible(self) -> None:
        service_accounts.get_service_account(principal=self.principal, account_id=self.kwargs["account_id"])

    @extend_schema(request=OverlapSerializer, responses=ClientSecretSerializer)
    @idempotent(response_is_secret=True)
    def post(self, _request: Request, account_id: UUID) -> Response:
        overlap = timedelta(hours=self.read(OverlapSerializer)["overlap_hours"])
        client_secret = service_accounts.rotate_client_secret(
            principal=self.principal, account_id=account_id, overlap=overlap
        )
        return Response({"id": str(account_id), "client_secret": client_secret})


class TokenListView(ShowsLog, ApiView[Principal]):
    rules = {
        "GET": Rule("tokens.manage", actions.SERVICE_TOKEN_LISTED),
        "POST": Rule("tokens.manage", actions.SERVICE_TOKEN_CREATED),
    }

    @extend_schema(
        operation_id="tokens_list", parameters=[PageQuery], responses=page_serializer(TokenSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The tokens that the caller may manage, newest first."""
        self.read_query(PageQuery)
        return self.page(listing.list_tokens(principal=self.principal), TokenSerializer)

    @extend_schema(request=NewTokenSerializer, responses={201: CreatedTokenSerializer})
    @idempotent(response_is_secret=True)
    def post(self, _request: Request) -> Response:
        """Create a token. Only this response contains it. Requires a recent sign-in."""
        body = self.read(NewTokenSerializer)
        request = TokenRequest(
            name=body["name"],
            scopes=list(map(permission_of, body["scopes"])),
            expires_at=body["expires_at"],
            key_ids=body.get("keys"),
            networks=body.get("networks", ()),
            account_id=body.get("service_account_id"),
        )
        return _created(service_tokens.create_token(principal=self.principal, request=request))


class TokenView(ShowsLog, DeleteView[Principal]):
    """Revoke a token. No process accepts it after this response."""

    rules = {"DELETE": Rule("tokens.manage", actions.SERVICE_TOKEN_REVOKED)}
    object_reference = ("service_token", "token_id")
    remove = service_tokens.revoke_token


class RotateTokenView(ApiView[Principal]):
    """A new token with the same rights. The old one stays valid for `overlap_hours`. Requires a recent sign-in."""

    rules = {"POST": Rule("tokens.manage", actions.SERVICE_TOKEN_ROTATED)}
    object_reference = ("service_token", "token_id")

    def require_visible(self) -> None:
        listing.get_token(principal=self.principal, token_id=self.kwargs["token_id"])

    @extend_schema(request=OverlapSerializer, responses={201: CreatedTokenSerializer})
    @idempotent(response_is_secret=True)
    def post(self, _request: Request, token_id: UUID) -> Response:
        overlap = timedelta(hours=self.read(OverlapSerializer)["overlap_hours"])
        created = service_tokens.rotate_token(principal=self.principal, token_id=token_id, overlap=overlap)
        return _created(created)


def _with_etag(account: ServiceAccount) -> Response:
    return Response(ServiceAccountSerializer(account).data, headers={"ETag": etag_of(account.row_seq)})


def _created(created: CreatedToken) -> Response:
    body = {**TokenSerializer(created.token).data, "token": created.text}
    return Response(body, status=HTTPStatus.CREATED)
