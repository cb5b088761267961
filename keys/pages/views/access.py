"""The Access page of a key: the rules about its use, adding a grant, and removing one."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.holders import KnownHolder, find_holders, list_holders
from accounts.models.roles import list_rights
from accounts.principals import Principal
from accounts.roles import Rights
from audit.sequencing.catching_up import catch_up_with_request
from kernel.clock import process_now
from kernel.databases.rows import first_of
from kernel.http.addresses import canonical_address
from kernel.pages.form_views import FormView
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


class AccessView(KeyView, FormView[Principal, GrantForm]):
    """The rules about the key, the check of one holder, and a form for a new grant."""

    rules = {"GET": Rule(READ, actions.GRANT_LISTED), "POST": Rule(MANAGE, actions.GRANT_CREATED)}
    template = "keys/access.html"
    tab = "access"
    draft_fields = ("holder", "operations", "scope", "expires_at", "networks", "reason")

    @cached_property
    def grants(self) -> list[KeyGrant]:
        """The oldest ones, one more than the page lists."""
        return list(services.list_grants_on(principal=self.principal, key=self.key)[: LIMIT + 1])

    @cached_property
    def holders(self) -> list[KnownHolder]:
        """The users and service accounts that the page names."""
        return list_holders(holder_ids(self.grants, self.key))

    def form(self, data: QueryDict | None = None) -> GrantForm:
        return GrantForm(data, key=self.key, holders=self.holders, roles=self.roles)

    @cached_property
    def roles(self) -> list[Rights]:
        return list_rights()

    def perform(self, form: GrantForm) -> HttpResponse:
        key, request = self.key, form.grant_request()
        if form.tag:
            services.grant_tag(principal=self.principal, tag=form.tag, request=request)
        else:
            services.grant_key(principal=self.principal, key_id=key.id, request=request)
        return self.done(reverse("key-access-page", args=[key.name]), "Access granted.")

    def show_form(self, form: GrantForm, **context: Any) -> HttpResponse:
        key, asked = self.key, self.request.GET
        is_checked = "principal" in asked and self.request.method != "POST"
        check = CheckAccessForm(asked if is_checked else None, key=key, holders=self.holders)
        rows = access_rows(key, self.grants, self.holders, self.roles, process_now())
        verdict, reason = None, ""
        is_cut_off = sum(row.grant is not None for row in rows) > LIMIT
        if check.is_valid():
            given = check.cleaned_data
            holder = next(each for each in self.holders if str(each.identity.id) == given["principal"])
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
            form=form,
            check=check,
            verdict=verdict,
            reason=reason,
            rows=rows[:-1] if is_cut_off else rows,
            limit=LIMIT,
            is_cut_off=is_cut_off,
            may_grant=self.principal.has_permission(MANAGE),
            **context,
        )


def _find_grant(*, principal: Principal, name: str, grant_id: UUID) -> tuple[Key, AccessRow]:
    key = reading.find_key(principal=principal, name=name)
    grant = first_of(services.list_grants_on(principal=principal, key=key).filter(pk=grant_id))
    holders = find_holders(holder_ids([grant], key))
    return key, access_rows(key, [grant], holders, list_rights(), process_now())[-1]


def _grant_arguments(found: tuple[Key | None, AccessRow]) -> dict[str, Any]:
    grant = found[1].grant
    return {"grant_id": grant.id, "key_id": grant.key_id} if grant else {}


def _grant_facts(view: OperationView, found: tuple[Key | None, AccessRow]) -> dict[str, Any]:
    key, row = found
    if key is None:
        return {"row": row, "grant": row.grant}
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
    effect="Requests that only this grant allows are denied immediately.",
    done="Grant removed.",
    is_danger=True,
)
