"""Everything that must hold in a database whose server was killed. Run in the environment of that server.

``python -m campaigns.crash.invariants < acknowledged.json`` prints one line for each violation.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator

import django
from django.apps import apps
from django.db import connection


def main() -> None:
    django.setup()
    from audit.log.raw_rows import reading  # noqa: PLC0415 - models need a set-up Django

    acknowledged = json.load(sys.stdin)
    with reading():  # the server still writes, such as the end of a verification pass
        violations = [violation for check in CHECKS for violation in check(acknowledged)]
    sys.stdout.writelines(f"{violation}\n" for violation in violations)


def versions_are_whole(_acknowledged: dict) -> Iterator[str]:
    from keys.models import Key, KeyRotation  # noqa: PLC0415 - models need a set-up Django

    steps = defaultdict(list)
    for rotation in KeyRotation.objects.order_by("rotated_at", "new_version"):
        steps[rotation.old_key_id].append((rotation.old_version, rotation.new_version))
    for key in Key.objects.prefetch_related("versions"):
        rows = sorted(key.versions.all(), key=lambda row: row.version)
        if [row.version for row in rows] != list(range(1, key.primary_version + 1)):
            yield f"{key.pk}: versions {[row.version for row in rows]}, primary {key.primary_version}"
        if [row.version for row in rows if row.is_primary] != [key.primary_version]:
            yield f"{key.pk}: primaries {[row.version for row in rows if row.is_primary]}"
        if sorted(steps.pop(key.pk, [])) != [(n, n + 1) for n in range(1, key.primary_version)]:
            yield f"{key.pk}: its rotations do not lead to version {key.primary_version}"
    yield from (f"{key_id}: rotated, but not there" for key_id in steps)


def macs_hold(_acknowledged: dict) -> Iterator[str]:
    from kernel.trust.row_mac import IntegrityFailed, MacProtectedRow  # noqa: PLC0415

    for model in apps.get_models():
        if not issubclass(model, MacProtectedRow):
            continue
        for row in model._default_manager.all():
            try:
                row.check_mac()
            except IntegrityFailed:
                yield f"{model.__name__} {row.pk}: its MAC does not hold"


def material_opens(_acknowledged: dict) -> Iterator[str]:
    from kernel.errors import DomainError  # noqa: PLC0415
    from keys import wrapped_material  # noqa: PLC0415
    from keys.models import KeyVersion  # noqa: PLC0415

    for row in KeyVersion.objects.select_related("key"):
        try:
            wrapped_material.open_wrapped(
                row.wrapped_key,
                key_id=row.key_id,
                version=row.version,
                algorithm=row.key.algorithm,
                purpose=row.key.purpose,
            )
        except DomainError:
            yield f"{row.key_id} version {row.version}: its material does not open"


def log_is_whole(_acknowledged: dict) -> Iterator[str]:
    from audit.log.entries import TRAIL_FIELDS, trail_digest, values_of  # noqa: PLC0415
    from audit.models import AuditLog, AuditTrail  # noqa: PLC0415
    from audit.verification.integrity import find_entries  # noqa: PLC0415

    numbers, digests = defaultdict(list), defaultdict(list)
    for row in AuditTrail.objects.order_by("id"):
        digests[str(row.event_id)].append(trail_digest(values_of(row, TRAIL_FIELDS)))
    for entry in find_entries(AuditLog.objects.order_by("id")):
        columns = entry.columns
        numbers[columns["writer"]].append(columns["wseq"])
        if not entry.inspection.is_authentic:
            yield f"entry {entry.log_id}: its MAC does not hold"
        if list(entry.inspection.digests) != digests.pop(columns["event_id"], []):
            yield f"entry {entry.log_id}: its changed rows are not those it names"
    for writer, seen in numbers.items():
        if sorted(seen) != list(range(1, len(seen) + 1)):
            yield f"writer {writer}: numbers {sorted(seen)}"
    yield from (f"changed rows of no event {event_id}" for event_id in digests)


def every_change_is_on_record(_acknowledged: dict) -> Iterator[str]:
    from audit.models import AuditLog  # noqa: PLC0415
    from keys import actions  # noqa: PLC0415
    from keys.models import Key  # noqa: PLC0415

    versions = defaultdict(list)
    for entry in AuditLog.objects.filter(action__in=[actions.KEY_CREATED, actions.KEY_ROTATED], outcome="ok"):
        versions[entry.object_id].append(entry.object_version)
    for key in Key.objects.all():
        if sorted(versions.pop(str(key.pk), [])) != list(range(1, key.primary_version + 1)):
            yield f"{key.pk}: the log does not show how it came to version {key.primary_version}"
    yield from (f"{key_id}: on record, but not there" for key_id in versions)


def what_was_acknowledged_is_there(acknowledged: dict) -> Iterator[str]:
    from audit.models import AuditLog  # noqa: PLC0415
    from audit.verification.integrity import find_entries  # noqa: PLC0415
    from keys.models import KeyVersion  # noqa: PLC0415

    stored = {(str(key), version) for key, version in KeyVersion.objects.values_list("key_id", "version")}
    for key_id, version in acknowledged["versions"]:
        if (key_id, version) not in stored:
            yield f"{key_id} version {version}: acknowledged and lost"
    recorded = defaultdict(int)
    for entry in find_entries(AuditLog.objects.filter(outcome="ok")):
        recorded[entry.columns["request_id"]] += 1
    for request_id in acknowledged["requests"]:
        if recorded[request_id] != 1:
            yield f"request {request_id}: acknowledged, and {recorded[request_id]} times on record"


def the_state_holds(_acknowledged: dict) -> Iterator[str]:
    from audit.models import AuditAlarm  # noqa: PLC0415
    from audit.verification.database.state import check_state  # noqa: PLC0415

    yield from (finding.text for finding in check_state())
    yield from (f"an alarm: {kind}" for kind in AuditAlarm.objects.values_list("kind", flat=True))


def the_database_is_sound(_acknowledged: dict) -> Iterator[str]:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            yield from (row[0] for row in cursor.fetchall() if row[0] != "ok")


CHECKS: list[Callable[[dict], Iterator[str]]] = [
    the_database_is_sound,
    versions_are_whole,
    macs_hold,
    the_state_holds,
    material_opens,
    log_is_whole,
    every_change_is_on_record,
    what_was_acknowledged_is_there,
]

if __name__ == "__main__":
    main()
