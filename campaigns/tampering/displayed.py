"""Alter each column of a displayed row, one at a time, and view it wherever the log is shown.

    python -m campaigns.tampering.displayed

runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. Each row must be
shown, be marked as altered, and raise one alarm, however often it is viewed.
"""

import argparse
import csv
import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape

from campaigns.revocation.campaign import database_of_our_own
from tests.output import log

LOGS, TRAIL = "/api/v1/audit/logs", "/api/v1/audit/trail"
ALTERED_ENTRY, ALTERED_CHANGE = "This entry was altered.", "This changed row was altered."
MISSING_CHANGE = "1 changed row is missing."
LOGGED_IN_FOR = 300.0  # seconds
IN_ADMIN = "Altered outside the application"


@dataclass(frozen=True)
class Target:
    """The viewed rows: an entry and the row it changed, both of a key."""

    log_id: int
    trail_id: int
    key_name: str


class Viewer:
    """An administrator with a browser, an API client and Django's admin."""

    def __init__(self, name: str) -> None:
        from django.test import Client  # noqa: PLC0415 - models need a set-up Django

        from tests.browsing import signed_in  # noqa: PLC0415
        from tests.personas import make_persona  # noqa: PLC0415

        self.persona = make_persona(name, "admin")
        self.browser = signed_in(self.persona)
        self.admin = Client()
        self.admin.force_login(self.persona.user)

    def page(self, path: str, *, admin: bool = False) -> str:
        response = (self.admin if admin else self.browser).get(path)
        assert response.status_code == 200, (path, response.status_code)
        return unescape(response.content.decode())

    def marked(self, path: str, row: str, mark: str, *, admin: bool = False) -> bool:
        """Whether the row of the page's table that contains ``row`` contains the mark."""
        rows = re.findall(r"<tr\b.*?</tr>", self.page(path, admin=admin), re.DOTALL)
        [found] = [each for each in rows if row in each]
        return mark in found

    def says(self, path: str, *sentences: str, admin: bool = False) -> bool:
        text = re.sub(r"<[^>]*>", "", self.page(path, admin=admin))
        return any(sentence in text for sentence in sentences)

    def is_altered(self, path: str, row_id: int) -> bool:
        response = self.persona.api.get(path)
        assert response.status == 200, (path, response.status)
        rows = response.json.get("results", [response.json])
        [found] = [row for row in rows if row["id"] == row_id]
        return found["integrity"] == "altered"

    def exported(self, export_format: str, log_id: int) -> bool:
        from audit.models import AuditExport  # noqa: PLC0415
        from tests.audit.exports.exporting import exported  # noqa: PLC0415

        AuditExport.objects.all().delete()  # the number of exports per user is limited
        content, reported = exported(self.persona, export_format)
        text = content.decode()
        rows = (
            map(json.loads, text.splitlines())
            if export_format == "jsonl"
            else csv.DictReader(io.StringIO(text, newline=""))
        )
        [found] = [row for row in rows if str(row["id"]) == str(log_id)]
        return found["integrity"] == "altered" and reported["altered"] >= 1 and self.says_job(reported)

    def says_job(self, reported: dict) -> bool:
        return self.says(f"/jobs/{reported['id']}/", f"Done, {reported['altered']} altered")


type Look = Callable[[Viewer, Target], bool]


def in_list(path: str) -> Look:
    return lambda viewer, target: viewer.marked(
        path.format(key=target.key_name), f'id="entry-{target.log_id}"', "Altered"
    )


ENTRY_SURFACES: dict[str, Look] = {
    "audit page": in_list("/audit/"),
    "audit page, by time": in_list("/audit/?from=0001-01-01"),
    "home": in_list("/home/"),
    "key's overview": in_list("/keys/{key}/"),
    "key's activity": in_list("/keys/{key}/activity/"),
    "entry page": lambda viewer, target: viewer.says(f"/audit/{target.log_id}/", ALTERED_ENTRY),
    "API list": lambda viewer, target: viewer.is_altered(f"{LOGS}?limit=100", target.log_id),
    "API entry": lambda viewer, target: viewer.is_altered(f"{LOGS}/{target.log_id}", target.log_id),
    "admin list": lambda viewer, target: viewer.marked(
        "/admin/audit/auditlog/", f"/auditlog/{target.log_id}/change/", IN_ADMIN, admin=True
    ),
    "admin entry": lambda viewer, target: viewer.says(
        f"/admin/audit/auditlog/{target.log_id}/change/", IN_ADMIN, admin=True
    ),
    "CSV": lambda viewer, target: viewer.exported("csv", target.log_id),
    "JSONL": lambda viewer, target: viewer.exported("jsonl", target.log_id),
}
CHANGE_SURFACES: dict[str, Look] = {
    "entry page": lambda viewer, target: viewer.says(
        f"/audit/{target.log_id}/", ALTERED_CHANGE, MISSING_CHANGE
    ),
    "API trail": lambda viewer, target: viewer.is_altered(f"{TRAIL}?limit=100", target.trail_id),
    "admin list": lambda viewer, target: viewer.marked(
        "/admin/audit/audittrail/", f"/audittrail/{target.trail_id}/change/", IN_ADMIN, admin=True
    ),
    "admin row": lambda viewer, target: viewer.says(
        f"/admin/audit/audittrail/{target.trail_id}/change/", IN_ADMIN, admin=True
    ),
}
# If a page selects by the altered column, the row is not on the page.
NOT_SHOWN = {
    ("timestamp", "audit page, by time"),
    ("object_id", "key's overview"),
    ("object_id", "key's activity"),
}


@dataclass
class Tally:
    views: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)
    alterations: int = 0
    alarmed: int = 0
    faults: int = 0

    def fault(self, text: str) -> None:
        self.faults += 1
        log(f"FAULT {text[:400]}")


class Campaign:
    """``columns``: a pattern for ``table.column``. ``variants``: alterations of each column, 0 for all."""

    def __init__(self, columns: str, variants: int = 0) -> None:
        from tests.tampering.altering import query  # noqa: PLC0415

        self.seconds, self.viewers = 0.0, 0
        self.renew_viewer()
        self.columns = re.compile(columns)
        self.variants = variants
        self.key = self.viewer.persona.api.post(
            "/api/v1/keys", {"name": "shown", "algorithm": "aes-256"}
        ).json
        self.tally = Tally()
        self._query = query

    def renew_viewer(self) -> None:
        """Replace the viewer in time, because an export needs a recent sign-in."""
        if time.monotonic() - self.seconds > LOGGED_IN_FOR or not self.viewers:
            self.viewers += 1
            self.seconds, self.viewer = time.monotonic(), Viewer(f"ada-{self.viewers}")

    def play(self, states: Sequence[bool] = (False, True)) -> Tally:
        """``states``: whether the rows have their leaf when they are altered."""
        from audit.models import AuditLog, AuditTrail  # noqa: PLC0415

        for model, surfaces in ((AuditLog, ENTRY_SURFACES), (AuditTrail, CHANGE_SURFACES)):
            for is_sequenced in states:
                for target, what in self._altered(model, is_sequenced=is_sequenced):
                    self._look(target, what, surfaces)
        return self.tally

    def _altered(self, model, *, is_sequenced: bool) -> Iterator[tuple[Target, object]]:
        from audit.models import AuditLog  # noqa: PLC0415
        from tests.tampering.alterations import alterations  # noqa: PLC0415
        from tests.tampering.writing import sequence, sign  # noqa: PLC0415

        names = [field.column for field in model._meta.concrete_fields]
        chosen = [name for name in names if self.columns.fullmatch(f"{model._meta.db_table}.{name}")]
        for alteration in [each for name in chosen for each in alterations(model, name)[-self.variants :]]:
            self.renew_viewer()
            sequence()
            log_id, trail_id = write_target(self.viewer.persona, self.key["id"])
            if is_sequenced:
                sequence()
                sign()
            state = "sequenced" if is_sequenced else "pending"
            with alteration.made(log_id if model is AuditLog else trail_id) as altered_id:
                places = (altered_id, trail_id) if model is AuditLog else (log_id, altered_id)
                yield Target(*places, self.key["name"]), (alteration, state)

    def _look(self, target: Target, what, surfaces: dict[str, Look]) -> None:
        alteration, state = what
        self.tally.alterations += 1
        before = self._alarms()
        for times in range(2):
            for name, look in surfaces.items():
                if (alteration.column, name) in NOT_SHOWN or (times and name in {"CSV", "JSONL"}):
                    continue
                self._count(f"{alteration.table}: {name}", f"{alteration} ({state})", look, target)
        raised = self._alarms() - before
        # A changed row is checked by itself, and as a row that its entry lacks.
        is_once = raised == 1 or (alteration.table == "audit_trail" and raised in {1, 2})
        self.tally.alarmed += is_once
        if not is_once:
            self.tally.fault(f"{alteration} ({state}): {raised} alarms")

    def _count(self, surface: str, what: str, look: Look, target: Target) -> None:
        self.tally.views[surface] += 1
        try:
            is_marked = look(self.viewer, target)
        except Exception as error:  # noqa: BLE001 - any failure of a page is a finding
            self.tally.fault(f"{surface}: {what}: {type(error).__name__} {error}")
            return
        self.tally.marked[surface] += is_marked
        if not is_marked:
            self.tally.fault(f"{surface}: {what}: not marked")

    def _alarms(self) -> int:
        [(count,)] = self._query("SELECT count(*) FROM audit_alarms WHERE kind = 'entry_altered'")
        return count


def write_target(persona, key_id: str) -> tuple[int, int]:
    """An entry of the key, and the row it changed."""
    from django.db import transaction  # noqa: PLC0415

    from audit.log.events import Event, RowChange  # noqa: PLC0415
    from audit.models import AuditTrail  # noqa: PLC0415
    from audit.services.recording import record  # noqa: PLC0415
    from tests.log_entries import log_rows  # noqa: PLC0415

    event = Event(
        action="keys.key.updated", object_type="key", object_id=key_id, object_version=1, size=5, code="x"
    )
    change = RowChange.updated("encryption_keys", key_id, {"name": "a"}, {"name": "b"})
    with transaction.atomic():
        entry = record(event, persona.principal.actor, changes=[change])
    return log_rows().get(event_id=entry.event_id).id, AuditTrail.objects.get(event_id=entry.event_id).id


def main() -> int:
    """Return 0 if every altered row was marked everywhere and raised its alarm once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", default=".*", help="a regular expression for table.column")
    parser.add_argument("--variants", type=int, default=0, help="alterations of each column; 0: all")
    options = parser.parse_args()
    with database_of_our_own():
        from django.test.utils import setup_test_environment  # noqa: PLC0415 - settings must be there

        setup_test_environment()  # Django's test client has a host name of its own
        tally = Campaign(options.columns, options.variants).play()
    for surface, views in sorted(tally.views.items()):
        log(f"{surface:<40} {views:>6} views {tally.marked[surface]:>6} marked")
    log(
        f"{tally.alterations} alterations, {tally.views.total()} views, {tally.marked.total()} marked, "
        f"{tally.alarmed} raised their alarm once, {tally.faults} faults"
    )
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
