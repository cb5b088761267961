"""Pages of the log: the list, with filters and live updates, and one entry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions, services
from audit.browse.selection import SEARCH_DEPTH, LogCriteria, rows_before
from audit.browse.suggestions import Suggestions, suggest
from audit.forms import LogFilterForm
from audit.models import EXPORT_PERMISSION, READ_PERMISSION, AuditTrail
from audit.sequencing.tree import latest_checkpoint
from audit.services import following, proofs, showing
from audit.services.log_status import read_log_status
from kernel.clock import process_now
from kernel.pages import Caller, PageView, Rule
from kernel.pages.views import number_in

LIMIT = 50
MOST_AT_ONCE = 10_000  # entries that one live update looks through
MOST_FOLLOWED = 500  # rows that live updates add to a page before they must be restarted
NOT_COLUMNS = "(no columns)"
# With noclobber, the shell never overwrites saved keys. Without an answer of the server it creates no file.
SAVE_KEYS = "keys=$(curl -fsS {url}) && (set -C; printf '%s\\n' \"$keys\" > pinned-keys)"
RESULTS, MORE, LIVE = "log-results", "more-entries", "log-live"


@dataclass(frozen=True, slots=True)
class Following:
    """Live updates start after the ``above`` first entries of the tree. ``shown`` rows were added to the page."""

    above: int
    shown: int = 0

    @property
    def goes_on(self) -> bool:
        return self.shown < MOST_FOLLOWED


class LogListView(PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    section = "audit"
    template = "audit/list.html"
    parts = frozenset({RESULTS, MORE, LIVE})

    def get(self, request: HttpRequest) -> HttpResponse:
        # Only the whole page has the choices of the filters.
        known = Suggestions() if self.target in self.parts else suggest(reader=self.principal)
        form = LogFilterForm(request.GET, actions=known.actions)
        shown = self._addresses(form) | {"form": form, "actors": known.actors}
        shown["is_part"] = self.target in self.parts
        if form.errors and self.target not in {MORE, LIVE}:
            return self._reject(shown)
        criteria = form.criteria(process_now())
        return self._arrived(criteria, shown) if self.target == LIVE else self._list(criteria, shown)

    def _list(self, criteria: LogCriteria, shown: dict[str, Any]) -> HttpResponse:
        before = number_in(self.request, "before")
        is_live = before is None and self.request.GET.get("live") == "1"
        if is_live:
            shown["following"] = Following(following.leaves())
        with services.search_logs(reader=self.principal, criteria=criteria, before=before) as found:
            rows = following.in_tree_of(found.rows, shown["following"].above) if is_live else found.rows
            entries, next_before = rows_before(
                rows, before=found.before, limit=LIMIT, time=found.time, read=showing.show_entries
            )
        shown |= {"entries": entries, "next_before": next_before, "before": before, "depth": SEARCH_DEPTH}
        shown["stopped_at"] = None if next_before else found.stopped_at
        if next_before := next_before or found.stopped_at:
            shown["more_url"] = (
                f"{reverse('audit')}?{urlencode({**shown['form'].filters, 'before': next_before})}"
            )
        shown |= self._around()
        response = self.page(may_export=self.principal.has_permission(EXPORT_PERMISSION), **shown)
        if self.target == RESULTS:
            response["HX-Push-Url"] = shown["live_address" if is_live else "address"]
        return response

    def _arrived(self, criteria: LogCriteria, shown: dict[str, Any]) -> HttpResponse:
        """The entries since the last update, newest first, and the start of the next one."""
        above, so_far = number_in(self.request, "above"), number_in(self.request, "shown") or 0
        size = following.leaves()
        above = size if above is None else max(above, size - MOST_AT_ONCE)
        with services.search_logs(reader=self.principal, criteria=criteria) as found:
            rows = following.arrived_between(found.rows, above, size)
            arrived = showing.show_entries(rows.order_by("-id")[: LIMIT + 1])
        return self.page(
            entries=arrived[:LIMIT],
            has_left_out=len(arrived) > LIMIT,
            following=Following(size, so_far + len(arrived)),
            log_status=read_log_status(reader=self.principal),
            **shown,
        )

    def _around(self) -> dict[str, Any]:
        """Context that only the whole page needs."""
        if self.target in self.parts:
            return {}
        sees_all = self.principal.scope(READ_PERMISSION) == "all"
        return {"log_status": read_log_status(reader=self.principal), "sees_all": sees_all}

    def _reject(self, shown: dict[str, Any]) -> HttpResponse:
        """Show the errors of the form without results: results of the other filters would look like an answer."""
        may_export = self.principal.has_permission(EXPORT_PERMISSION)
        response = self.page(status=422, may_export=may_export, **self._around(), **shown)
        response["HX-Push-Url"] = "false"
        return response

    def _addresses(self, form: LogFilterForm) -> dict[str, Any]:
        """The URLs of the list, the same for every user."""
        filters, url = form.filters, reverse("audit")
        text = urlencode(filters)
        wider = {name: value for name, value in filters.items() if name not in {"from", "to"}}
        return {
            "filters": text,
            "address": f"{url}?{text}" if text else url,
            "live_address": f"{url}?{urlencode({**filters, 'live': '1'})}",
            "wider_address": f"{url}?{urlencode({**wider, 'period': '30d'})}",
        }


class LogEntryView(PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    object_reference = ("audit_log", "log_id")
    section = "audit"
    template = "audit/entry.html"

    def get(self, request: HttpRequest, log_id: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        shown = showing.show_entry_with_changes(reader=self.principal, log_id=log_id)
        entry = shown.entry
        newest = latest_checkpoint()
        index, signed = proofs.leaf_index(entry), newest.size if newest else 0
        return self.page(
            entry=entry,
            meta=pretty(entry.meta),
            changes=[(change, compared(change)) for change in shown.changes],
            missing=shown.missing,
            index=index,
            number=None if index is None else index + 1,
            signed=signed,
            is_signed=index is not None and index < signed,
            save_keys=SAVE_KEYS.format(url=f"{settings.CC_PUBLIC_URL}{reverse('audit-keys')}"),
            check_proof=f"python3 ccverify verify-proof {entry.pk}.tlog-proof --key pinned-keys",
        )


class EntryProofView(PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.PROOF_READ)}
    object_reference = ("audit_log", "log_id")

    def get(self, request: HttpRequest, log_id: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        proof = proofs.prove_entry(showing.show_entry(reader=self.principal, log_id=log_id))
        named = {"Content-Disposition": f'attachment; filename="{proof.file_name}"'}
        return HttpResponse(proof.text, "text/plain; charset=utf-8", headers=named)


def pretty(meta: object) -> str:
    """The text with one line per member. Unchanged if it was altered to something other than JSON."""
    try:
        text = json.dumps(json.loads(meta), indent=2, ensure_ascii=False)  # type: ignore[arg-type]  # TypeError is caught
        return text.encode(errors="replace").decode()  # an altered entry may hold lone surrogates
    except (TypeError, ValueError, RecursionError):
        return str(meta)


def compared(change: AuditTrail) -> list[tuple[str, str | None, str | None]]:
    """``(column, before, after)``, sorted by column. None if the row does not exist."""
    old, new = _members(change.old_values), _members(change.new_values)
    return [(name, _shown(old, name), _shown(new, name)) for name in sorted({*old, *new})]


def _members(values: object) -> Mapping[str, object]:
    """For an altered row, the stored text under a name that no column has."""
    if values is None:
        return {}
    return values if isinstance(values, dict) else {NOT_COLUMNS: values}


def _shown(values: Mapping[str, object], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
