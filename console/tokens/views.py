"""Service tokens: the user's own, and those of service accounts and other users."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from django_htmx.http import push_url

from accounts import actions
from accounts.models import ServiceAccount, ServiceToken
from accounts.principals import Principal
from accounts.roles import Rights
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from accounts.service_accounts.services.tokens import CreatedToken, TokenRequest
from accounts.tokens.services import listing as token_listing
from accounts.tokens.services.listing import MANAGE, ListedToken
from audit.sequencing.catching_up import ShowsLog, catch_up_with_request
from console.tokens.forms import OverlapForm, TokenFilterForm, TokenForm
from console.tokens.services import READ, TokenFilter, list_tokens_after
from kernel.clock import database_now
from kernel.identities import Identity, parse_uuid
from kernel.pages.curl import curl_of
from kernel.pages.form_views import FormView
from kernel.pages.operations import Operation, OperationView, Subject
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys.lifecycle import Status
from keys.models import Key
from keys.models.selection import UNUSED_FOR
from keys.models.transit import entered_name
from keys.reading import services
from keys.references import PREFIX

_SUGGESTED_KEYS = 12
_LIMIT = 50
_SHOWN_ONCE = "This token was already created. It is shown only once."
_EXAMPLE = "aGVsbG8gY2FuYXJ5"  # "hello canary" in base64


def suggested_keys(principal: Principal) -> list[str]:
    """The names of the first active keys that the caller may see."""
    found = services.list_keys(principal=principal, only={"status": Status.ACTIVE}).select_related("transit")
    return [entered_name(key) for key in found[:_SUGGESTED_KEYS]]


class TokenListView(ShowsLog, PageView[Principal]):
    """The user's own tokens."""

    rules = {"GET": Rule(MANAGE, actions.SERVICE_TOKEN_LISTED)}
    section = "account"
    template = "console/tokens.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = token_listing.list_recent_tokens(principal=self.principal, owner=self.principal.identity)
        return self.page(tokens=found, limit=token_listing.LIMIT)


class AllTokensView(ShowsLog, PageView[Principal]):
    """The tokens of all users and service accounts."""

    rules = {"GET": Rule(READ, actions.SERVICE_TOKEN_LISTED)}
    section = "users"
    template = "console/all_tokens.html"
    parts = frozenset({"token-results", "more-tokens"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form, after = TokenFilterForm.read(request.GET), parse_uuid(request.GET.get("after", ""))
        only = cast("TokenFilter", form.given)
        found = list_tokens_after(principal=self.principal, only=only, after=after, limit=_LIMIT)
        response = self.page(
            form=form,
            tokens=found.tokens,
            next_after=found.next_after,
            is_first=after is None,
            chips=form.chips(),
            list_url=reverse("all-tokens"),
            unused_days=UNUSED_FOR.days,
            may_manage=self.principal.scope(MANAGE) == "all",
        )
        if self.target == "token-results":
            push_url(response, form.address(reverse("all-tokens")))
        return response


class NewTokenView(FormView[Principal, TokenForm]):
    """A new token of the user, or of a service account. Only the response to the form contains it."""

    rules = {method: Rule(MANAGE, actions.SERVICE_TOKEN_CREATED) for method in ("GET", "POST")}
    section = "account"
    template = "console/token_new.html"
    draft_fields = ("name", "scopes", "keys", "lifetime", "expires_at", "networks")
    needs_recent_sign_in = True
    shown_once = _SHOWN_ONCE

    @property
    def return_url(self) -> str:
        return _list_of(self.kwargs.get("account_id"))

    def perform(self, form: TokenForm) -> CreatedToken:
        given = form.cleaned_data
        request = TokenRequest(
            name=given["name"],
            scopes=given["scopes"],
            expires_at=form.expiry(database_now()),
            key_ids=self._key_ids(given["keys"]),
            networks=given["networks"],
            account_id=self.kwargs.get("account_id"),
        )
        return service_tokens.create_token(principal=self.principal, request=request)

    def respond(self, result: CreatedToken) -> HttpResponse:
        return _show_token(self, None, result)

    @cached_property
    def account(self) -> ServiceAccount | None:
        account_id = self.kwargs.get("account_id")
        if account_id is None:
            return None
        self.section = "users"  # type: ignore[misc]  # of this page
        service_tokens.require_any_owner(self.principal)
        return service_accounts.get_service_account(principal=self.principal, account_id=account_id)

    def form(self, data: QueryDict | None = None) -> TokenForm:
        principal, account = self.principal, self.account
        owner = principal if account is None else _as_owner(principal, account.identity, account.rights)
        return TokenForm(data, rights=owner.rights, key_names=self._suggested_keys(owner))

    def _suggested_keys(self, owner: Principal) -> list[str]:
        """Active keys that the owner may use, or if there are none, those that the user may use."""
        return suggested_keys(owner) or suggested_keys(self.principal)

    def _key_ids(self, names: Sequence[str]) -> list[UUID] | None:
        if not names:
            return None
        return [key.id for key in services.keys_named(principal=self.principal, names=names)]

    def show_form(self, form: TokenForm, **context: Any) -> HttpResponse:
        return self.page(form=form, account=self.account, **context)


def _facts(view: OperationView, found: ListedToken) -> dict[str, Any]:
    if found.token.identity != view.principal.identity:
        view.section = "users"  # type: ignore[misc]  # of this page
    return {"listed": found}


def _list_with(principal: Principal, token: ServiceToken) -> str:
    """The page that lists the token."""
    if token.identity == principal.identity:
        return reverse("account-tokens")
    return _list_of(token.service_account_id, token.user_id)


TOKEN: Final[Subject[ListedToken]] = Subject(
    url_name="token-{}-page",
    section="account",
    title="Tokens",
    find=token_listing.describe_token,
    name=lambda listed: listed.token.name,
    arguments=lambda listed: {"token_id": listed.token.id},
    page=lambda principal, listed: _list_with(principal, listed.token),
    object_type="service_token",
    object_part="token_id",
    facts=_facts,
    details="console/token_operation.html",
    back="Back to the tokens",
    offered_at=lambda _: [reverse("all-tokens")],
    catch_up=catch_up_with_request,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TokenOperation(Operation[ListedToken]):
    """``ended`` is shown for a token that has already ended."""

    permission: str = MANAGE
    ended: str

    def refusal(self, found: ListedToken) -> str:
        return "" if found.is_active else self.ended


def _show_token(view: PageView[Principal], _: ListedToken | None, created: CreatedToken) -> HttpResponse:
    """Show the token. Only this response contains it."""
    token, key = created.token, None
    call = ""
    if "crypto.encrypt" in token.scopes:
        key = _usable_key(view.principal, token)
        call = _encryption(key)
    return view.page(
        template="console/token_created.html",
        token=token,
        without_grant=_keys_without_grant(view.principal, token),
        text=created.text,
        call=call,
        key=key,
        list_url=_list_with(view.principal, token),
    )


def _usable_key(principal: Principal, token: ServiceToken) -> Key | None:
    """An active key with which the token can encrypt, for the example."""
    owner = _as_owner(principal, token.identity, token.owner.rights)
    found = services.list_keys(principal=owner, only={"status": Status.ACTIVE}).filter(purpose="encrypt")
    return (found if token.key_ids is None else found.filter(pk__in=token.key_ids)).first()


def _keys_without_grant(principal: Principal, token: ServiceToken) -> list[str]:
    """The names of the token's keys on which its owner has no grant, for a warning.

    Such a token is not refused, because the grant may follow.
    """
    if not token.key_ids:
        return []
    owner = _as_owner(principal, token.identity, token.owner.rights)
    return services.names_out_of_reach(principal=principal, owner=owner, key_ids=token.key_ids)


def _as_owner(principal: Principal, identity: Identity, rights: Rights) -> Principal:
    """The rights of a token's owner without limits, for reading only."""
    return Principal(actor=principal.actor, identity=identity, rights=rights, permissions=rights.permissions)


def _encryption(key: Key | None) -> str:
    name, mode = (key.name, key.default_mode) if key else ("KEY-NAME", "aes-256-gcm")
    return curl_of("/api/v1/encrypt", {"key_id": PREFIX + name, "algorithm": mode, "data": _EXAMPLE})


def _list_of(account_id: UUID | None, user_id: UUID | None = None) -> str:
    """The page that lists the tokens of the service account or user; without one, of the signed-in user."""
    if account_id is not None:
        return reverse("service-account-page", args=[account_id])
    return reverse("user", args=[user_id]) if user_id else reverse("account-tokens")


TOKEN_OPERATIONS: Final = (
    _TokenOperation(
        slug="revoke",
        label="Revoke token",
        question="Revoke the token {}?",
        action=actions.SERVICE_TOKEN_REVOKED,
        perform=service_tokens.revoke_token,
        effect="Requests with this token are denied immediately. You cannot undo this.",
        ended="This token has already ended.",
        done="Token {} revoked.",
        is_danger=True,
    ),
    _TokenOperation(
        slug="rotate",
        label="Create new token",
        question="Rotate the token {}?",
        action=actions.SERVICE_TOKEN_ROTATED,
        perform=service_tokens.rotate_token,
        form=lambda data, *_: OverlapForm(data, old="token"),
        draft_fields=(),
        effect="You get a new token with the same permissions and the same lifetime. The next page shows it once.",
        ended="This token has already ended. Create a new token.",
        respond=_show_token,
        shown_once=_SHOWN_ONCE,
        needs_recent_sign_in=True,
    ),
)
