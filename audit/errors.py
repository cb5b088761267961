from kernel.errors import Conflict, Gone, Invalid, OutcomeUnknown, Refused, Unavailable

_NOT_WRITABLE = "The audit log cannot be written, so the request was not completed. Try again later."
CROWDED = "Too many audit records are waiting to be written, so the request was not completed. Try again in a moment."
OVERDUE = (
    "The database has not confirmed earlier audit records, perhaps because its standby is missing. Nothing was done. "
    "Try again later. If the problem continues, check /readyz."
)


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so its response is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self, reason: str = _NOT_WRITABLE) -> None:
        super().__init__(reason)


class RecordUnknown(OutcomeUnknown, AuditUnavailable):
    """The record may be durable, or become durable later. Its response is withheld."""


class EntryArchived(Gone):
    """Only the archive has the entry. ``since`` and ``until`` are the filters of an export that contains it."""

    code = "entry_archived"
    title = "The entry is in the archive"

    def __init__(self, log_id: int, segment: int, since: str, until: str) -> None:
        super().__init__(
            f"Entry {log_id} is in segment {segment} of the archive. To read it, export the entries from {since} to {until}.",
            extra={"segment": segment, "from": since, "to": until},
        )


class NotSequenced(Conflict):
    """No checkpoint covers the entry yet, so it cannot be proven. One usually follows within a second."""

    code = "not_sequenced"
    title = "No checkpoint covers this yet"

    def __init__(self) -> None:
        super().__init__(
            "No signed checkpoint covers this entry yet. Try again in 1 second. If the problem continues, check "
            "at /health that the sequencer is running.",
            extra={"retry_after": 1},
        )


class AlarmResolved(Conflict):
    """The alarm is already resolved, and the first decision is kept."""

    code = "already_completed"
    title = "This is already done"

    def __init__(self, resolved_at: str) -> None:
        super().__init__("This alarm is already resolved.", extra={"resolved_at": resolved_at})


class CheckpointRefused(Unavailable):
    """Stored data contradicts a signed checkpoint, or itself. Nothing is signed until an operator has investigated."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__(
            "The audit log tree does not match the tree that was signed earlier, so it was not signed. "
            "Run verify_audit_log, and find out who changed the database."
        )


class OlderDatabase(Unavailable):
    """The database lacks signed entries that this installation has seen, or has different ones."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"


class SearchTimeout(Invalid):
    """A search was stopped because it took too long. The same search would time out again."""

    code = "search_timeout"
    title = "The search took too long"

    def __init__(self, seconds: int) -> None:
        message = f"The search was stopped after {seconds} seconds. Use fewer words, or add another filter."
        super().__init__(message, fields={"search": [message]})


class ExportNotWritten(Unavailable):
    """The folder of exports does not accept the file, for example because the disk is full."""

    code = "export_not_written"
    title = "The export file cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The export file cannot be written. Check the free space and the permissions of CC_HOME."
        )


class TooManyExports(Refused):
    """Files are stored next to the database, so one user must not fill the disk."""

    code = "too_many_exports"
    title = "Too many exports"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} exports, which is the limit. Cancel one, or wait until one expires."
        )


class TooManyFilters(Refused):
    """Limits the saved filters of a user, so that the list stays usable."""

    code = "too_many_filters"
    title = "Too many saved filters"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} saved filters, which is the limit. Delete one first.")


class SegmentUnreadable(Unavailable):
    """The file of a segment cannot be read."""

    code = "archive_unreadable"
    title = "The archive cannot be read"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The file {name} of the archive cannot be read: {reason}. Check CC_AUDIT_ARCHIVE, or restore the file."
        )


class TooManyLogTargets(Refused):
    """Each log target occupies a thread of a worker."""

    code = "too_many_log_targets"
    title = "Too many log targets"

    def __init__(self, limit: int) -> None:
        super().__init__(f"There are {limit} log targets, which is the limit. Delete one first.")
