"""Exports of the log: request, list and cancel them, and download their results."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audit import actions
from audit.browse.filters import filters_of
from audit.browse.selection import LogCriteria
from audit.errors import TooManyExports
from audit.exports import files
from audit.exports.formats import FILE_TYPES, ExportFormat
from audit.log.events import Actor, Event
from audit.models import EXPORT_PERMISSION, READ_PERMISSION, AuditExport
from audit.models.exports import AuditExportQuerySet
from audit.services.jobs import recorded_requester
from audit.services.reading import read_names
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of, is_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Denied, Invalid
from kernel.freshness.epoch import require_current
from kernel.freshness.stamps import EpochStamp
from kernel.identities import Identity
from kernel.jobs import delivery, job
from kernel.jobs.errors import NoResult, ResultGone, ResultMissing
from kernel.jobs.job import Status
from kernel.rules import Caller, PermissionScope

_LOCK = int.from_bytes(b"cc-exprt")  # our key among PostgreSQL's advisory locks, a bigint
MOST_EXPORTS = 20  # of one user or service account: queued, running, or with a file that is kept
_EVERYTHING = LogCriteria()
_NOUN = "export"


class Exporter(Caller, Protocol):
    """A caller who exports the log."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """The file of a finished export, and its name for the download."""

    export: AuditExport
    path: Path
    name: str
    media_type: str


def request_export(
    *,
    principal: Exporter,
    export_format: str,
    criteria: LogCriteria,
    submit: Callable[[job.Job], None] = delivery.submit,
) -> AuditExport:
    """Queue an export of the entries that the caller may read and that match the criteria.

    With ``jobs.submit_leased``, this process then runs it. Raises Denied, RecentAuthRequired, TooManyExports, and
    Invalid for an unknown format and for tiles with a criterion: they prove the whole log or nothing.
    """
    principal.require(EXPORT_PERMISSION)
    if export_format not in FILE_TYPES:
        raise Invalid.of_field("format", f"Choose one of: {', '.join(FILE_TYPES)}.")
    reach = principal.scope(READ_PERMISSION)
    now = database_now()
    principal.require_recent_sign_in(now)
    if export_format == ExportFormat.TILES:
        _require_whole_log(reach, criteria)
    export = AuditExport(
        **recorded_requester(principal.actor),
        format=export_format,
        filters=filters_of(criteria),
        names={name: sorted(ids) for name, ids in read_names(principal, criteria).ids.items()},
        is_of_own_acts=reach != "all",
        unit="rows",
    )
    with transaction.atomic():
        _require_room(principal.identity, now)
        submit(export)
        meta = {"format": export.format, "filters": export.filters}
        record(event_of(export, actions.EXPORT_REQUESTED, meta=meta), principal.actor)
        require_current(principal.stamp)
    return export


def find_exports(*, principal: Exporter) -> AuditExportQuerySet:
    """The exports that the caller may see, newest first. Raises Denied."""
    return AuditExport.objects.visible_to(principal).order_by("-created_at", "id")


def find_export(*, principal: Exporter, job_id: UUID) -> AuditExport:
    """One export. Raises Denied, and NotFound also if the caller may not see it."""
    return first_of(find_exports(principal=principal).filter(id=job_id))


def cancel_export(*, principal: Exporter, job_id: UUID) -> AuditExport:
    """Cancel an unfinished export. A running one stops within about a second. Raises Denied, NotFound, Conflict."""
    with transaction.atomic():
        export = find_export(principal=principal, job_id=job_id)
        delivery.cancel(export)
        record(event_of(export, actions.EXPORT_CANCELLED), principal.actor)
        require_current(principal.stamp)
    return export


def find_result(*, principal: Exporter, job_id: UUID) -> Result:
    """The file. Raises Denied, NotFound, NoResult before it is finished, ResultGone after it has expired.

    Raises ResultMissing if another server has it.
    """
    export = find_export(principal=principal, job_id=job_id)
    if export.status != Status.SUCCEEDED:
        raise NoResult(_NOUN, export.status)
    extension = FILE_TYPES[export.format].extension
    path = files.FOLDER.path_of(export.id, export.attempt, extension)
    if not export.is_kept(database_now()):
        raise ResultGone(_NOUN)
    if not path.exists():
        raise ResultMissing(_NOUN, files.NAME)
    return Result(export, path, f"audit-log-{export.id}.{extension}", FILE_TYPES[export.format].media_type)


def open_result(*, principal: Exporter, result: Result) -> BinaryIO:
    """Open the file, after recording the download. Raises ResultMissing, AuditUnavailable, StaleDecision."""
    try:
        file = result.path.open("rb")
    except FileNotFoundError:
        raise ResultMissing(_NOUN, files.NAME) from None
    try:
        facts = {"size": result.export.size, "meta": {"sha256": result.export.sha256}}
        with transaction.atomic(durable=True):
            record(event_of(result.export, actions.EXPORT_DOWNLOADED, **facts), principal.actor)
            require_current(principal.stamp)
    except BaseException:
        file.close()
        raise
    return file


def event_of(export: AuditExport, action: str, **facts: Any) -> Event:
    """An event about an export."""
    return Event(action=action, object_type="audit_export", object_id=str(export.id), **facts)


def _require_whole_log(reach: PermissionScope, criteria: LogCriteria) -> None:
    if criteria != _EVERYTHING:
        named = next(iter(filters_of(criteria)))
        raise Invalid.of_field(
            named, "An export in format tiles always contains the whole log. Remove the filters."
        )
    if reach != "all":
        raise Denied(
            "An export in format tiles contains the whole log, but you can only read your own entries."
        )


def _require_room(requester: Identity, now: datetime) -> None:
    """Raises TooManyExports. Files are stored next to the database, which must not run out of space."""
    wait_for_lock(_LOCK)  # otherwise concurrent requests would not see each other
    unfinished = Q(status__in=job.UNFINISHED)
    whose = Q(created_by=None, actor_id=None) if requester.id is None else is_of(requester, user="created_by")
    own = AuditExport.objects.filter(unfinished | Q(expires_at__gt=now), whose)
    if own.count() >= MOST_EXPORTS:
        raise TooManyExports(MOST_EXPORTS)
