"""The Access page of a key: who may use it, by which rule; grants are added and removed here."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.authorization import Verdict
from accounts.services.holders import KnownHolder, list_holders
from kernel.errors import DomainError
from kernel.pages import Rule
from keys import access, actions, services
from keys.access_forms import CheckAccessForm, GrantForm
from keys.models import Key, KeyGrant
from keys.models.grants import ROLE
from keys.services.grants import MANAGE, READ
from keys.views.detail import KeyView

LIMIT = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list: a grant, and its holder in words."""

    grant: KeyGrant
    holder: str


class AccessView(KeyView):
    """The grants on the key and on its tags, and the check of one holder."""

    rules = {"GET": Rule(READ, actions.GRANT_LISTED), "POST": Rule(MANAGE, actions.GRANT_CREATED)}
    template = "keys/access.html"
    tab = "access"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        holders = list_holders()
        is_asked = "principal" in request.GET
        check = CheckAccessForm(request.GET if is_asked else None, holders=holders)
        verdict = self._check(key, check) if is_asked and check.is_valid() else None
        return self._show(key, GrantForm(holders=holders), check, holders, verdict)

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        holders = list_holders()
        form = GrantForm(request.POST, holders=holders)
        if form.is_valid():
            try:
                services.grant_key(principal=self.principal, key_id=key.id, request=form.grant_request())
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key-access-page", args=[name]), "Access granted.")
        check = CheckAccessForm(holders=holders)
        return self._show(key, form, check, holders, status=HTTPStatus.UNPROCESSABLE_ENTITY)

    def _check(self, key: Key, form: CheckAccessForm) -> Verdict:
        return access.check_access(
            principal=self.principal,
            key_id=key.id,
            holder_id=UUID(form.cleaned_data["principal"]),
            operation=form.cleaned_data["operation"],
        )

    def _show(
        self,
        key: Key,
        form: GrantForm,
        check: CheckAccessForm,
        holders: list[KnownHolder],
        verdict: Verdict | None = None,
        status: int = HTTPStatus.OK,
    ) -> HttpResponse:
        names = {each.identity.entity: each.name for each in holders}
        found = services.list_key_grants(principal=self.principal, key_id=key.id)[:LIMIT]
        return self.show(
            key,
            status=status,
            form=form,
            check=check,
            verdict=verdict,
            lines=[Line(grant, _holder(grant, names)) for grant in found],
            may_grant=self.principal.has_permission(MANAGE),
        )


class RemoveGrantView(KeyView):
    """Confirm, and remove a grant on the key."""

    rules = {method: Rule(MANAGE, actions.GRANT_REMOVED) for method in ("GET", "POST")}
    template = "keys/grant_remove.html"

    def get(self, request: HttpRequest, name: str, grant_id: UUID) -> HttpResponse:  # noqa: ARG002
        key = self.find(name)
        return self.page(key=key, grant_id=grant_id)

    def post(self, request: HttpRequest, name: str, grant_id: UUID) -> HttpResponse:  # noqa: ARG002
        key = self.find(name)
        services.remove_grant(principal=self.principal, grant_id=grant_id, key_id=key.id)
        return self.done(reverse("key-access-page", args=[name]), "Grant removed.")


def _holder(grant: KeyGrant, names: dict[str, str]) -> str:
    if grant.principal_type == ROLE:
        return f"Everyone with the role {grant.principal_id}"
    return names.get(grant.holder, grant.principal_id)
