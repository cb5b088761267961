"""Service accounts: the list, one account with its tokens, and its changes."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import actions
from accounts.models import ServiceAccount
from accounts.principals import Principal
from accounts.services import service_accounts, service_tokens
from console.access_forms import AccountRoleForm, OverlapForm, ServiceAccountForm
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.pages import PageForm, PageView, Rule

READ, MANAGE = "users.read", "users.manage"
LIMIT = 100


class ServiceAccountListView(PageView[Principal]):
    rules = {"GET": Rule(READ, actions.SERVICE_ACCOUNT_LISTED)}
    section = "users"
    template = "console/service_accounts.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = service_accounts.list_service_accounts(principal=self.principal)[:LIMIT]
        return self.page(accounts=found, limit=LIMIT, may_manage=self.principal.has_permission(MANAGE))


class NewServiceAccountView(PageView[Principal]):
    """A new account. Only the response to the form contains its client secret."""

    rules = {method: Rule(MANAGE, actions.SERVICE_ACCOUNT_CREATED) for method in ("GET", "POST")}
    section = "users"
    template = "console/service_account_new.html"
    draft_fields = ("name", "description")

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_log_in(database_now())
        return self.page(form=self.show_draft(ServiceAccountForm()))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ServiceAccountForm(request.POST)
        if form.is_valid():
            try:
                created = service_accounts.create_service_account(
                    principal=self.principal, **form.cleaned_data
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return show_secret(self, created.account, created.client_secret)
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)


class ServiceAccountView(PageView[Principal]):
    """One account. A POST changes whether it is active."""

    rules = {
        "GET": Rule(READ, actions.SERVICE_ACCOUNT_READ),
        "POST": Rule(MANAGE, actions.SERVICE_ACCOUNT_CHANGED),
    }
    object_reference = ("service_account", "account_id")
    section = "users"
    template = "console/service_account.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        account = service_accounts.get_service_account(principal=self.principal, account_id=account_id)
        tokens = []
        if self.principal.has_permission(MANAGE):
            found = service_tokens.list_tokens(principal=self.principal)
            tokens = list(found.filter(service_account=account_id)[:LIMIT])
        return self.page(account=account, tokens=tokens, may_manage=self.principal.has_permission(MANAGE))

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        is_active = request.POST.get("is_active") == "yes"
        account = service_accounts.update_service_account(
            principal=self.principal, account_id=account_id, changes={"is_active": is_active}
        )
        word = "enabled" if is_active else "disabled"
        return self.done(reverse("service-account-page", args=[account_id]), f"{account.name} {word}.")


class AccountRoleView(PageView[Principal]):
    rules = {method: Rule(MANAGE, actions.SERVICE_ACCOUNT_CHANGED) for method in ("GET", "POST")}
    object_reference = ("service_account", "account_id")
    section = "users"
    template = "console/service_account_role.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_log_in(database_now())
        account = service_accounts.get_service_account(principal=self.principal, account_id=account_id)
        return self.page(account=account, form=AccountRoleForm(initial={"role": account.role}))

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        form = AccountRoleForm(request.POST)
        if form.is_valid():
            try:
                account = service_accounts.update_service_account(
                    principal=self.principal,
                    account_id=account_id,
                    changes={"role": form.cleaned_data["role"]},
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                url = reverse("service-account-page", args=[account_id])
                return self.done(url, f"{account.name} now has the role {account.role}.")
        account = service_accounts.get_service_account(principal=self.principal, account_id=account_id)
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, account=account, form=form)


class RotateSecretView(PageView[Principal]):
    """A new client secret. Only the response to the form contains it."""

    rules = {method: Rule(MANAGE, actions.CLIENT_SECRET_ROTATED) for method in ("GET", "POST")}
    object_reference = ("service_account", "account_id")
    section = "users"
    template = "console/service_account_secret.html"

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:  # noqa: ARG002
        self.principal.require_recent_log_in(database_now())
        return self._show(account_id, OverlapForm())

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
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
                return show_secret(self, self._account(account_id), secret)
        return self._show(account_id, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _account(self, account_id: UUID) -> ServiceAccount:
        return service_accounts.get_service_account(principal=self.principal, account_id=account_id)

    def _show(self, account_id: UUID, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        return self.page(status=status, account=self._account(account_id), form=form)


def show_secret(view: PageView[Principal], account: ServiceAccount, client_secret: str) -> HttpResponse:
    """Show the client secret. Only this response contains it."""
    return view.page(
        template="console/client_secret_created.html", account=account, client_secret=client_secret
    )
