"""The page of all grants, and the removal of one."""

from dataclasses import replace
from typing import Any, Final, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django_htmx.http import push_url

from accounts.holders import find_holders
from accounts.models.roles import list_rights
from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from audit.usage.of_key import end_of_gap
from kernel.clock import process_now
from kernel.identities import parse_uuid
from kernel.pages.operations import Subject
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys import actions
from keys.access import listing
from keys.access.filters import GrantFilterForm
from keys.access.listing import GrantFilter
from keys.access.services import READ
from keys.access.table import AccessRow, grant_rows, holder_ids
from keys.changing import MANAGE
from keys.models import Key
from keys.models.selection import UNUSED_FOR
from keys.pages.views.access import GRANT

_LIMIT = 50


class GrantListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(READ, actions.GRANT_LISTED)}
    section = "users"
    template = "keys/grants.html"
    parts = frozenset({"grant-results", "more-grants"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form, now = GrantFilterForm.read(request.GET), process_now()
        after = parse_uuid(request.GET.get("after", ""))
        only = cast("GrantFilter", form.given)
        found = listing.list_grants_after(principal=self.principal, only=only, after=after, limit=_LIMIT)
        gap = end_of_gap()
        response = self.page(
            form=form,
            rows=grant_rows(found.grants, find_holders(holder_ids(found.grants)), list_rights(), now),
            next_after=found.next_after,
            is_first=after is None,
            chips=form.chips(),
            list_url=reverse("grants-page"),
            unused_days=UNUSED_FOR.days,
            gap=gap if gap and gap > now - UNUSED_FOR else None,
            may_grant=self.principal.has_permission(MANAGE),
        )
        if self.target == "grant-results":
            push_url(response, form.address(reverse("grants-page")))
        return response


def _find_grant(*, principal: Principal, grant_id: UUID) -> tuple[Key | None, AccessRow]:
    grant = listing.get_grant(principal=principal, grant_id=grant_id)
    [row] = grant_rows([grant], find_holders(holder_ids([grant])), list_rights(), process_now())
    return grant.key, row


# Any grant, also on a tag that no key has.
LISTED_GRANT: Final = replace(
    cast("Subject[Any]", GRANT),
    url_name="grant-{}",
    section="users",
    title="Grants",
    find=_find_grant,
    page=lambda *_: reverse("grants-page"),
    object_type="grant",
    object_part="grant_id",
    back="Back to the grants",
)
