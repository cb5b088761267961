"""Service accounts: the list, one account with its tokens, and its changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from accounts import actions
from accounts.models import ServiceAccount
from accounts.models.roles import description_of
from accounts.principals import Principal
from accounts.roles import word_of
from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services.accounts import CreatedAccount, update_service_account
from accounts.tokens.services import listing as token_listing
from accounts.tokens.services.listing import list_recent_tokens
from audit.sequencing.catching_up import ShowsLog, catch_up_with_request
from console.service_accounts.forms import AccountRoleForm, ConnectForm, ServiceAccountForm
from console.service_accounts.services import ApplicationRequest, ConnectedApplication, connect_application
from console.tokens.forms import OverlapForm, suggest_keys
from console.tokens.views import suggested_keys
from crypto_ops.trying.snippets import environment_commands, examples_of, main_operations
from kernel.clock import database_now
from kernel.labels import NAME
from kernel.pages.form_views import FormView
from kernel.pages.operations import Operation, OperationView, Subject, confirm
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys.changing import MANAGE as GRANT
from keys.explanations import OPERATION_LABELS
from keys.lifecycle import Status
from keys.models import Key
from keys.models.transit import entered_name, transit_name_of
from keys.reading import services as reading
from keys.references import PREFIX

_READ, _MANAGE = "users.read", "users.manage"
LIMIT = 50
_SHOWN_ONCE = "This client secret was already created. It is shown only once."


class ServiceAccountListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(_READ, actions.SERVICE_ACCOUNT_LISTED)}
    section = "users"
    template = "console/service_accounts.html"
    parts = frozenset({"more-accounts"})

    def get(self, request: HttpRequest) -> HttpResponse:
        after = request.GET.get("after", "")
        if not NAME.fullmatch(after):
            after = ""
        found = service_accounts.list_service_accounts(principal=self.principal).filter(name__gt=after)
        window = list(found[: LIMIT + 1])
        return self.page(
            accounts=window[:LIMIT],
            next_after=window[LIMIT - 1].name if len(window) > LIMIT else "",
            is_first=not after,
            may_manage=self.principal.has_permission(_MANAGE),
            may_connect=self.principal.has_permission(_MANAGE) and self.principal.has_permission(GRANT),
        )


class NewServiceAccountView(FormView[Principal, ServiceAccountForm]):
    """A new account. Only the response to the form contains its client secret."""

    rules = {method: Rule(_MANAGE, actions.SERVICE_ACCOUNT_CREATED) for method in ("GET", "POST")}
    section = "users"
    template = "console/service_account_new.html"
    form_class = ServiceAccountForm
    draft_fields = ("name", "role", "description")
    needs_recent_sign_in = True
    shown_once = _SHOWN_ONCE
    return_name = "service-accounts-page"

    def perform(self, form: ServiceAccountForm) -> CreatedAccount:
        return service_accounts.create_service_account(principal=self.principal, **form.cleaned_data)

    def respond(self, result: CreatedAccount) -> HttpResponse:
        return _show_secret(self, result.account, result.client_secret)


class ConnectView(FormView[Principal, ConnectForm]):
    """A new application. Only the response to the form contains its token. ``key`` names a key to begin with."""

    rules = {method: Rule(_MANAGE, actions.SERVICE_ACCOUNT_CREATED, also=GRANT) for method in ("GET", "POST")}
    section = "users"
    template = "console/connect.html"
    draft_fields = ("name", "keys", "tags", "operations", "lifetime", "expires_at", "reason")
    needs_recent_sign_in = True
    shown_once = "This application is already connected. Its token is shown only once."
    return_name = "service-accounts-page"

    def form(self, data: QueryDict | None = None) -> ConnectForm:
        name = self.request.GET.get("key", "")
        key = reading.key_named(principal=self.principal, name=name) if data is None and name else None
        initial = (
            {} if key is None else {"keys": [entered_name(key)], "operations": main_operations(key.kind)}
        )
        form = ConnectForm(data, initial=initial)
        suggest_keys(form, suggested_keys(self.principal))
        form.fields["tags"].widget.suggestions = reading.frequent_tags(principal=self.principal)
        return form

    def perform(self, form: ConnectForm) -> ConnectedApplication:
        given = form.cleaned_data
        wanted = ApplicationRequest(
            name=given["name"],
            operations=given["operations"],
            expires_at=form.expiry(database_now()),
            keys=given["keys"],
            tags=given["tags"],
            reason=given["reason"],
        )
        return connect_application(principal=self.principal, request=wanted)

    def respond(self, result: ConnectedApplication) -> HttpResponse:
        token = result.created.token
        key = next(iter(result.keys), None) or self._tagged(result.tags)
        examples = (
            []
            if key is None
            else examples_of(
                kind=key.kind,
                key_id=transit_name_of(key) or PREFIX + key.name,
                mode=key.default_mode,
                operations=[word_of(scope) for scope in token.scopes],
            )
        )
        return self.page(
            template="console/connected.html",
            account=result.account,
            token=token,
            text=result.created.text,
            allowed=[OPERATION_LABELS[word_of(scope)] for scope in token.scopes],
            environment=environment_commands(key.kind if key else None),
            key=key,
            examples=examples,
        )

    def _tagged(self, tags: Sequence[str]) -> Key | None:
        """An active key with one of the tags, for the examples."""
        for tag in tags:
            found = reading.list_keys(principal=self.principal, only={"status": Status.ACTIVE, "tag": tag})
            if key := found.first():
                return key
        return None


class ServiceAccountView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(_READ, actions.SERVICE_ACCOUNT_READ)}
    object_reference = ("service_account", "account_id")
    section = "users"
    template = "console/service_account.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        account = service_accounts.get_service_account(principal=self.principal, account_id=account_id)
        may_manage = self.principal.has_permission(_MANAGE) and not self.principal.lacks(account.rights)
        return self.page(
            account=account,
            description=description_of(account.role),
            tokens=list_recent_tokens(principal=self.principal, owner=account.identity) if may_manage else [],
            limit=token_listing.LIMIT,
            may_manage=may_manage,
        )


def _facts(view: OperationView, found: ServiceAccount) -> dict[str, Any]:
    if not view.operation.is_danger:
        return {}
    listed = list_recent_tokens(principal=view.principal, owner=found.identity)
    active = [each for each in listed if each.is_active]
    uses = [each.last_use for each in active if each.last_use]
    return {"active_tokens": len(active), "last_use": max(uses, default=None)}


ACCOUNT: Final[Subject[ServiceAccount]] = Subject(
    url_name="service-account-{}",
    section="users",
    title="Service accounts",
    find=service_accounts.get_service_account,
    name=lambda account: account.name,
    arguments=lambda account: {"account_id": account.id},
    page=lambda _, account: reverse("service-account-page", args=[account.id]),
    object_type="service_account",
    object_part="account_id",
    facts=_facts,
    details="console/service_account_operation.html",
    catch_up=catch_up_with_request,
)


def _show_secret(view: PageView[Principal], account: ServiceAccount, client_secret: str) -> HttpResponse:
    """Show the client secret. Only this response contains it."""
    return view.page(
        template="console/client_secret_created.html",
        account=account,
        client_secret=client_secret,
        is_new=isinstance(view, NewServiceAccountView),
    )


ACCOUNT_OPERATIONS: Final[tuple[Operation[ServiceAccount], ...]] = (
    Operation(
        slug="role",
        label="Change role",
        question="Change the role of {}?",
        permission=_MANAGE,
        action=actions.SERVICE_ACCOUNT_CHANGED,
        perform=update_service_account,
        form=lambda data, account, _: AccountRoleForm(data, initial={"role": account.role}),
        draft_fields=("reason", "role"),
        effect="The new role applies immediately to all tokens of this account. A token never allows more than the role.",
        done="{} has the role {result.role} now.",
        is_danger=True,
        needs_recent_sign_in=True,
    ),
    Operation(
        slug="disable",
        label="Disable",
        question="Disable {}?",
        permission=_MANAGE,
        action=actions.SERVICE_ACCOUNT_CHANGED,
        perform=partial(update_service_account, changes={"is_active": False}),
        effect=(
            "All tokens and the client secret of this account stop working immediately. Its keys and grants stay as "
            "they are. You can enable the account again."
        ),
        done="{} disabled.",
        is_danger=True,
    ),
    Operation(
        slug="enable",
        label="Enable",
        question="Enable {}?",
        permission=_MANAGE,
        action=actions.SERVICE_ACCOUNT_CHANGED,
        perform=partial(update_service_account, changes={"is_active": True}, reason=""),
        form=confirm,
        draft_fields=(),
        effect="The client secret and the tokens that have not ended work again.",
        done="{} enabled.",
    ),
    Operation(
        slug="secret",
        label="Create new secret",
        question="Rotate the client secret of {}?",
        permission=_MANAGE,
        action=actions.CLIENT_SECRET_ROTATED,
        perform=service_accounts.rotate_client_secret,
        form=lambda data, *_: OverlapForm(data, old="secret"),
        draft_fields=(),
        effect=(
            "You get a new client secret. The old secret works until the time below. If you end it now, tokens from "
            "/oauth/token also stop working."
        ),
        respond=_show_secret,
        shown_once=_SHOWN_ONCE,
        needs_recent_sign_in=True,
    ),
)
