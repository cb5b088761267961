"""The Access page of a key: the rules about its use, adding a grant, and removing one."""

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.holders import KnownHolder, find_holders, list_holders
from accounts.principals import Principal
from audit.sequencing.catching_up import catch_up_with_request
from kernel.clock import process_now
from kernel.databases.rows import first_of
from kernel.errors import DomainError
from kernel.http.addresses import canonical_address
from kernel.pages.operations import Operation, OperationView, Subject
from kernel.rules import Rule
from keys import actions
from keys.access import services
from keys.access.forms import CheckAccessForm, GrantForm
from keys.access.services import READ
from keys.access.table import AccessRow, access_rows, describe_rule, holder_ids
from keys.changing import MANAGE
from keys.models import Key, KeyGrant
from keys.pages.views.detail import KeyView, use_facts
from keys.reading import services as reading
from keys.usage.services import callers

LIMIT = 200


class AccessView(KeyView):
    """The rules about the key, the check of one holder, and a form for a new grant."""

    rules = {"GET": Rule(READ, actions.GRANT_LISTED), "POST": Rule(MANAGE, actions.GRANT_CREATED)}
    template = "keys/access.html"
    tab = "access"
    draft_fields = ("holder", "operations", "scope", "expires_at", "networks")

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        grants, holders = self._known(key)
        form = self.show_draft(GrantForm(key=key, holders=holders))
        check = CheckAccessForm(request.GET if "principal" in request.GET else None, key=key, holders=holders)
        return self._show(key, form, check, access_rows(key, grants, holders, process_now()), holders)

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        grants, holders = self._known(key)
        form = GrantForm(request.POST, key=key, holders=holders)
        if form.is_valid():
            try:
                self._grant(key, form)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key-access-page", args=[name]), "Access granted.")
        rows = access_rows(key, grants, holders, process_now())
        check = CheckAccessForm(key=key, holders=holders)
        return self._show(key, form, check, rows, holders, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _known(self, key: Key) -> tuple[list[KeyGrant], list[KnownHolder]]:
        """The oldest grants, one more than the page lists, and the users and service accounts that the page names."""
        grants = list(services.list_grants_on(principal=self.principal, key=key)[: LIMIT + 1])
        return grants, list_holders(holder_ids(key, grants))

    def _grant(self, key: Key, form: GrantForm) -> None:
        request = form.grant_request()
        if form.tag:
            services.grant_tag(principal=self.principal, tag=form.tag, request=request)
        else:
            services.grant_key(principal=self.principal, key_id=key.id, request=request)

    def _show(
        self,
        key: Key,
        form: GrantForm,
        check: CheckAccessForm,
        rows: list[AccessRow],
        holders: list[KnownHolder],
        status: int = HTTPStatus.OK,
    ) -> HttpResponse:
        verdict, reason = None, ""
        is_cut_off = sum(row.grant is not None for row in rows) > LIMIT
        if check.is_valid():
            given = check.cleaned_data
            holder = next(each for each in holders if str(each.identity.id) == given["principal"])
            verdict = services.check_access(
                principal=self.principal,
                key_id=key.id,
                holder_id=UUID(given["principal"]),
                operation=given["operation"],
                client_ip=canonical_address(given["client_ip"]),
            )
            reason = describe_rule(verdict, holder, given["operation"], rows)
        return self.show(
            key,
            status=status,
            form=form,
            check=check,
            verdict=verdict,
            reason=reason,
            rows=rows[:-1] if is_cut_off else rows,
            limit=LIMIT,
            is_cut_off=is_cut_off,
            may_grant=self.principal.has_permission(MANAGE),
        )


def _find_grant(*, principal: Principal, name: str, grant_id: UUID) -> tuple[Key, AccessRow]:
    key = reading.find_key(principal=principal, name=name)
    grant = first_of(services.list_grants_on(principal=principal, key=key).filter(pk=grant_id))
    holders = find_holders(holder_ids(key, [grant]))
    return key, access_rows(key, [grant], holders, process_now())[-1]


def _grant_arguments(found: tuple[Key, AccessRow]) -> dict[str, Any]:
    grant = found[1].grant
    return {"grant_id": grant.id, "key_id": grant.key_id} if grant else {}


def _grant_facts(view: OperationView, found: tuple[Key, AccessRow]) -> dict[str, Any]:
    key, row = found
    use, grant = callers.use_shown_to(view.principal, key), row.grant
    uses = use.callers.by_id.get(grant.principal_id, 0) if grant and row.holder.page else None
    return {"key": key, "row": row, "grant": grant, "uses": uses, **use_facts(use)}


# A grant on the key or on one of its tags.
GRANT: Final[Subject[tuple[Key, AccessRow]]] = Subject(
    url_name="key-grant-{}",
    section="keys",
    title="Keys",
    find=_find_grant,
    name=lambda found: found[1].holder.name,
    arguments=_grant_arguments,
    page=lambda _, found: reverse("key-access-page", args=[found[0].name]),
    object_type="key",
    object_id=lambda found: found[0].id,
    find_named=reading.key_named,
    facts=_grant_facts,
    details="keys/grant_operation.html",
    catch_up=catch_up_with_request,
)

REMOVE_GRANT: Final[Operation[tuple[Key, AccessRow]]] = Operation(
    slug="remove",
    label="Remove grant",
    question="Remove this grant to {}?",
    permission=MANAGE,
    action=actions.GRANT_REMOVED,
    perform=services.remove_grant,
    effect="Requests that only this grant allows are refused immediately.",
    done="Grant removed.",
    is_danger=True,
)
