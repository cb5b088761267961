"""Service accounts: the list, one account with its tokens, and its changes."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import actions
from accounts.models import ServiceAccount
from accounts.principals import Principal
from accounts.roles import DESCRIPTIONS
from accounts.service_accounts.services import accounts as service_accounts
from accounts.tokens.services import listing as token_listing
from accounts.tokens.services.listing import ListedToken, list_recent_tokens
from accounts.users.forms import described_roles
from audit.sequencing.catching_up import ShowsLog
from console.service_accounts.forms import AccountRoleForm, ServiceAccountForm
from console.tokens.forms import OverlapForm
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.labels import NAME
from kernel.pages import once
from kernel.pages.forms import PageForm, ReasonForm
from kernel.pages.views import PageView
from kernel.rules import Rule

READ, MANAGE = "users.read", "users.manage"
LIMIT = 50
SHOWN_ONCE = "This client secret was already created. It is shown only once."


class ServiceAccountListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(READ, actions.SERVICE_ACCOUNT_LISTED)}
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
            may_manage=self.principal.has_permission(MANAGE),
        )


class NewServiceAccountView(PageView[Principal]):
    """A new account. Only the response to the form contains its client secret."""

    rules = {method: Rule(MANAGE, actions.SERVICE_ACCOUNT_CREATED) for method in ("GET", "POST")}
    section = "users"
    template = "console/service_account_new.html"
    draft_fields = ("name", "role", "description")

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        return self._show(self.show_draft(ServiceAccountForm()))

    def post(self, request: HttpRequest) -> HttpResponse:
        if once.was_accepted(request):
            return self.done(reverse("service-accounts-page"), SHOWN_ONCE)
        form = ServiceAccountForm(request.POST)
        if form.is_valid():
            try:
                created = service_accounts.create_service_account(
                    principal=self.principal, **form.cleaned_data
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                once.accept(request)
                return show_secret(self, created.account, created.client_secret, is_new=True)
        return self._show(form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _show(self, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        return self.page(status=status, form=form, roles=described_roles(form))


class AccountPageView(ShowsLog, PageView[Principal]):
    """Base class of pages about one account."""

    object_reference = ("service_account", "account_id")
    section = "users"

    def find(self, account_id: UUID) -> ServiceAccount:
        """Raises NotFound, IntegrityFailed."""
        return service_accounts.get_service_account(principal=self.principal, account_id=account_id)

    def tokens_of(self, account: ServiceAccount) -> Sequence[ListedToken]:
        """Empty for a reader who may not manage tokens."""
        if not self.principal.has_permission(MANAGE):
            return []
        return list_recent_tokens(principal=self.principal, owner=account.identity)


class ServiceAccountView(AccountPageView):
    rules = {"GET": Rule(READ, actions.SERVICE_ACCOUNT_READ)}
    template = "console/service_account.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        account = self.find(account_id)
        return self.page(
            account=account,
            description=DESCRIPTIONS[account.role],
            tokens=self.tokens_of(account),
            limit=token_listing.LIMIT,
            may_manage=self.principal.has_permission(MANAGE),
        )


class AccountChangeView(AccountPageView):
    """Confirm and perform one change. Subclasses define ``change`` or ``chosen``, and the texts.

    ``message`` is a format of the account.
    """

    rules = {method: Rule(MANAGE, actions.SERVICE_ACCOUNT_CHANGED) for method in ("GET", "POST")}
    draft_fields: ClassVar[tuple[str, ...]] = ("reason",)
    form: ClassVar[type[PageForm]] = ReasonForm
    change: ClassVar[service_accounts.AccountUpdate] = {}
    message: ClassVar[str]

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        account = self.find(account_id)
        return self._show(account, self.show_draft(self.form(initial={"role": account.role})))

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        form = self.form(request.POST)
        if form.is_valid():
            try:
                account = service_accounts.update_service_account(
                    principal=self.principal,
                    account_id=account_id,
                    changes=self.chosen(form.cleaned_data),
                    reason=form.cleaned_data.get("reason", ""),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(
                    reverse("service-account-page", args=[account_id]), self.message.format(account=account)
                )
        return self._show(self.find(account_id), form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def chosen(self, given: dict[str, Any]) -> service_accounts.AccountUpdate:  # noqa: ARG002
        return self.change

    def _show(self, account: ServiceAccount, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        active = [listed for listed in self.tokens_of(account) if listed.is_active]
        uses = [listed.last_use for listed in active if listed.last_use]
        return self.page(
            status=status,
            account=account,
            form=form,
            roles=described_roles(form) if "role" in form.fields else [],
            active_tokens=len(active),
            last_use=max(uses, default=None),
        )


class DisableAccountView(AccountChangeView):
    template = "console/service_account_disable.html"
    change = {"is_active": False}
    message = "{account.name} disabled."


class EnableAccountView(AccountChangeView):
    template = "console/service_account_enable.html"
    form = PageForm
    change = {"is_active": True}
    message = "{account.name} enabled."


class AccountRoleView(AccountChangeView):
    template = "console/service_account_role.html"
    draft_fields = ("reason", "role")
    form = AccountRoleForm
    message = "{account.name} has the role {account.role} now."

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        self.principal.require_recent_sign_in(database_now())
        return super().get(request, account_id)

    def chosen(self, given: dict[str, Any]) -> service_accounts.AccountUpdate:
        return {"role": given["role"]}


class RotateSecretView(AccountPageView):
    """A new client secret. Only the response to the form contains it."""

    rules = {method: Rule(MANAGE, actions.CLIENT_SECRET_ROTATED) for method in ("GET", "POST")}
    template = "console/service_account_secret.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_sign_in(database_now())
        return self.page(account=self.find(account_id), form=OverlapForm())

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        if once.was_accepted(request):
            return self.done(reverse("service-account-page", args=[account_id]), SHOWN_ONCE)
        form = OverlapForm(request.POST)
        if form.is_valid():
            try:
                secret = service_accounts.rotate_client_secret(
                    principal=self.principal,
                    account_id=account_id,
                    overlap=timedelta(hours=form.cleaned_data["overlap"]),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                once.accept(request)
                return show_secret(self, self.find(account_id), secret)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return self.page(status=status, account=self.find(account_id), form=form)


def show_secret(
    view: PageView[Principal], account: ServiceAccount, client_secret: str, *, is_new: bool = False
) -> HttpResponse:
    """Show the client secret. Only this response contains it."""
    return view.page(
        template="console/client_secret_created.html",
        account=account,
        client_secret=client_secret,
        is_new=is_new,
    )
