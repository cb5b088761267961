"""Pages of the log: the list, with filters and live updates, and one entry."""

import json
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions
from audit.models import READ_PERMISSION, AuditTrail
from audit.sequencing.catching_up import ShowsLog
from audit.sequencing.tree import latest_checkpoint
from audit.services import proofs, showing
from audit.views.events import PARTS, EventList
from kernel.pages.views import PageView
from kernel.rules import Caller, Rule

_NOT_COLUMNS = "(no columns)"
# With noclobber, the shell never overwrites saved keys. Without a response of the server it creates no file.
_SAVE_KEYS = "keys=$(curl -fsS {url}) && (set -C; printf '%s\\n' \"$keys\" > pinned-keys)"


class LogListView(ShowsLog, PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    section = "audit"
    template = "audit/list.html"
    parts = PARTS

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return EventList(self, reverse("audit"), self.page, has_status=True).respond()


class LogEntryView(ShowsLog, PageView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    object_reference = ("audit_log", "log_id")
    section = "audit"
    template = "audit/entry.html"

    def get(self, request: HttpRequest, log_id: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        shown = showing.show_entry_with_changes(reader=self.principal, log_id=log_id)
        [entry] = showing.with_names(self.principal, [shown.entry])
        newest = latest_checkpoint()
        index, signed = proofs.leaf_index(entry), newest.size if newest else 0
        return self.page(
            entry=entry,
            meta=pretty(entry.meta),
            changes=[(change, _compared(change)) for change in shown.changes],
            missing=shown.missing,
            index=index,
            number=None if index is None else index + 1,
            signed=signed,
            is_signed=index is not None and index < signed,
            save_keys=_SAVE_KEYS.format(url=f"{settings.CC_PUBLIC_URL}{reverse('audit-keys')}"),
            check_proof=f"python3 ccverify verify-proof {entry.pk}.tlog-proof --key pinned-keys",
        )


class EntryProofView(ShowsLog, PageView[Caller]):
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


def _compared(change: AuditTrail) -> list[tuple[str, str | None, str | None]]:
    """``(column, before, after)``, sorted by column. None if the row does not exist."""
    old, new = _members(change.old_values), _members(change.new_values)
    return [(name, _shown(old, name), _shown(new, name)) for name in sorted({*old, *new})]


def _members(values: object) -> Mapping[str, object]:
    """For an altered row, the stored text under a name that no column has."""
    if values is None:
        return {}
    return values if isinstance(values, dict) else {_NOT_COLUMNS: values}


def _shown(values: Mapping[str, object], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
