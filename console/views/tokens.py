"""Service tokens: the caller's own, and those of service accounts."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import actions
from accounts.models import ServiceAccount
from accounts.principals import Principal
from accounts.services import service_accounts, service_tokens
from accounts.services.service_tokens import CreatedToken, TokenRequest
from console.access_forms import OverlapForm, TokenForm
from kernel.clock import database_now
from kernel.errors import DomainError, Invalid
from kernel.pages import PageForm, PageView, Rule
from keys import services as keys
from keys.references import PREFIX

MANAGE = service_tokens.MANAGE
LIMIT = 100


class TokenListView(PageView[Principal]):
    """The caller's tokens; for an administrator, those of everyone."""

    rules = {"GET": Rule(MANAGE, actions.SERVICE_TOKEN_LISTED)}
    section = "account"
    template = "console/tokens.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = service_tokens.list_tokens(principal=self.principal)[:LIMIT]
        return self.page(tokens=found, limit=LIMIT)


class NewTokenView(PageView[Principal]):
    """A new token of the caller, or of a service account. Only the response to the form contains it."""

    rules = {method: Rule(MANAGE, actions.SERVICE_TOKEN_CREATED) for method in ("GET", "POST")}
    section = "account"
    template = "console/token_new.html"
    draft_fields = ("name", "keys", "networks")

    def get(self, request: HttpRequest, account_id: UUID | None = None) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_log_in(database_now())
        account = self._account(account_id)
        return self._show(self.show_draft(TokenForm(role=self._role(account))), account)

    def post(self, request: HttpRequest, account_id: UUID | None = None) -> HttpResponse:
        account = self._account(account_id)
        form = TokenForm(request.POST, role=self._role(account))
        if form.is_valid():
            try:
                created = service_tokens.create_token(
                    principal=self.principal, request=self._request(form, account_id)
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return show_token(self, created)
        return self._show(form, account, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _account(self, account_id: UUID | None) -> ServiceAccount | None:
        if account_id is None:
            return None
        service_tokens.require_any_owner(self.principal)
        return service_accounts.get_service_account(principal=self.principal, account_id=account_id)

    def _role(self, account: ServiceAccount | None) -> str:
        return self.principal.role if account is None else account.role

    def _request(self, form: TokenForm, account_id: UUID | None) -> TokenRequest:
        given = form.cleaned_data
        return TokenRequest(
            name=given["name"],
            scopes=given["scopes"],
            expires_at=form.expiry(database_now()),
            key_ids=self._key_ids(_listed(given["keys"])),
            networks=_listed(given["networks"]),
            account_id=account_id,
        )

    def _key_ids(self, names: list[str]) -> list[UUID] | None:
        if not names:
            return None
        found = {name: keys.key_named(principal=self.principal, name=name) for name in names}
        if unknown := [name for name, key in found.items() if key is None]:
            raise Invalid.of_field("keys", f"There is no key named {unknown[0]}.")
        return [key.id for key in found.values() if key is not None]

    def _show(
        self, form: PageForm, account: ServiceAccount | None, status: int = HTTPStatus.OK
    ) -> HttpResponse:
        return self.page(status=status, form=form, account=account)


class RevokeTokenView(PageView[Principal]):
    """Confirm, and end a token."""

    rules = {method: Rule(MANAGE, actions.SERVICE_TOKEN_REVOKED) for method in ("GET", "POST")}
    object_reference = ("service_token", "token_id")
    section = "account"
    template = "console/token_revoke.html"

    def get(self, request: HttpRequest, token_id: UUID) -> HttpResponse:  # noqa: ARG002
        return self.page(token=service_tokens.get_token(principal=self.principal, token_id=token_id))

    def post(self, request: HttpRequest, token_id: UUID) -> HttpResponse:  # noqa: ARG002
        token = service_tokens.revoke_token(principal=self.principal, token_id=token_id)
        return self.done(reverse("account-tokens"), f"Token {token.name} revoked.")


class RotateTokenView(PageView[Principal]):
    """A new token in place of another, which stays valid for the chosen time."""

    rules = {method: Rule(MANAGE, actions.SERVICE_TOKEN_ROTATED) for method in ("GET", "POST")}
    object_reference = ("service_token", "token_id")
    section = "account"
    template = "console/token_rotate.html"

    def get(self, request: HttpRequest, token_id: UUID) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_log_in(database_now())
        return self._show(token_id, OverlapForm())

    def post(self, request: HttpRequest, token_id: UUID) -> HttpResponse:
        form = OverlapForm(request.POST)
        if form.is_valid():
            try:
                created = service_tokens.rotate_token(
                    principal=self.principal,
                    token_id=token_id,
                    overlap=timedelta(hours=form.cleaned_data["overlap"]),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return show_token(self, created)
        return self._show(token_id, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _show(self, token_id: UUID, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        token = service_tokens.get_token(principal=self.principal, token_id=token_id)
        return self.page(status=status, token=token, form=form)


def show_token(view: PageView[Principal], created: CreatedToken) -> HttpResponse:
    """Show the token. Only this response contains it."""
    key = None
    if created.token.key_ids:
        key = keys.get_key(principal=view.principal, key_id=UUID(created.token.key_ids[0]))
    key_reference = PREFIX + (key.name if key else "KEY-NAME")
    return view.page(
        template="console/token_created.html",
        token=created.token,
        text=created.text,
        key_reference=key_reference,
    )


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
