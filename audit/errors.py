from kernel.errors import Conflict, Invalid, NotFound, Refused, Unavailable

NOT_WRITABLE = "The audit log cannot be written now, so nothing is answered. Try again later."
CROWDED = "Too many records wait to be written, so nothing more is answered. Try again in a moment."


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so its answer is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self, reason: str = NOT_WRITABLE) -> None:
        super().__init__(reason)


class NotSequenced(Conflict):
    """No checkpoint covers the entry yet, so it cannot be proven. One usually follows within a second."""

    code = "not_sequenced"
    title = "No checkpoint covers this yet"

    def __init__(self) -> None:
        super().__init__(
            "No signed checkpoint covers this yet. Ask again in a second; if it stays so, an operator sees at "
            "/health whether the sequencer runs.",
            extra={"retry_after": 1},
        )


class AlarmResolved(Conflict):
    """The alarm is already resolved, and the first decision is kept."""

    code = "already_completed"
    title = "This was done already"

    def __init__(self, resolved_at: str) -> None:
        super().__init__("This alarm is resolved already.", extra={"resolved_at": resolved_at})


class CheckpointRefused(Unavailable):
    """Stored data contradicts a signed checkpoint, or itself. Nothing is signed until an operator has investigated."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__(
            "The tree over the audit log is not the one that was signed before, so it is not signed. "
            "Run verify_audit_log, and find out who wrote to the database."
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
    title = "The file of an export cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The file cannot be written. The operator sees to the space and the rights of CC_HOME."
        )


class NoResult(Conflict):
    """The export has not succeeded yet, or never will."""

    code = "no_result"
    title = "The export has no result"

    def __init__(self, status: str) -> None:
        remedy = "Ask for a new one." if status in {"failed", "cancelled"} else "Wait until it has succeeded."
        super().__init__(f"The export is {status}. {remedy}", extra={"export_status": status})


class ResultGone(NotFound):
    """The result existed, but is no longer kept."""

    code = "result_gone"
    title = "The result is gone"

    def __init__(self) -> None:
        super().__init__("The file is no longer kept. Ask for a new export.")


class TooManyExports(Refused):
    """Files are stored next to the database, so one user must not fill the disk."""

    code = "too_many_exports"
    title = "Too many exports"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} exports that wait, run or are kept. Cancel one, or wait until one expires."
        )


class TooManyFilters(Refused):
    """Limits the saved filters of a user, so that the list stays usable."""

    code = "too_many_filters"
    title = "Too many saved filters"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} saved filters. Delete one first.")
