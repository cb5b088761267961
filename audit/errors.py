from kernel.errors import Conflict, Invalid, NotFound, Refused, Unavailable

NOT_WRITABLE = "The audit log cannot be written now, so nothing is answered. Try again later."
CROWDED = "Too many records wait to be written, so nothing more is answered. Try again in a moment."


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so the answer it belongs to is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self, reason: str = NOT_WRITABLE) -> None:
        super().__init__(reason)


class NotSequenced(Conflict):
    """No checkpoint covers it yet, so there is nothing to prove it by; about a second later there is."""

    code = "not_sequenced"
    title = "No checkpoint covers this yet"

    def __init__(self) -> None:
        super().__init__(
            "No signed checkpoint covers this yet. Ask again in a second; if it stays so, an operator sees at "
            "/health whether the sequencer runs.",
            extra={"retry_after": 1},
        )


class AlarmResolved(Conflict):
    """The alarm is resolved already, and that decision is kept."""

    code = "already_completed"
    title = "This was done already"

    def __init__(self, resolved_at: str) -> None:
        super().__init__("This alarm is resolved already.", extra={"resolved_at": resolved_at})


class CheckpointRefused(Unavailable):
    """What is stored contradicts what was signed, or itself: nothing more is signed until somebody has looked."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__(
            "The tree over the audit log is not the one that was signed before, so it is not signed. "
            "Run verify_audit_log, and find out who wrote to the database."
        )


class OlderDatabase(Unavailable):
    """The database lacks entries of the log that this installation has seen signed, or holds others."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"


class SearchTimeout(Invalid):
    """A search of the log took too long and was stopped. The same search would take as long again."""

    code = "search_timeout"
    title = "The search took too long"

    def __init__(self, seconds: int) -> None:
        message = f"The search was stopped after {seconds} seconds. Use fewer words, or add another filter."
        super().__init__(message, fields={"search": [message]})


class ExportNotWritten(Unavailable):
    """The folder of exports does not take the file: the disk is full, say."""

    code = "export_not_written"
    title = "The file of an export cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The file cannot be written. The operator sees to the space and the rights of CC_HOME."
        )


class NoResult(Conflict):
    """The export has not succeeded, or will not any more."""

    code = "no_result"
    title = "The export has no result"

    def __init__(self, status: str) -> None:
        remedy = "Ask for a new one." if status in {"failed", "cancelled"} else "Wait until it has succeeded."
        super().__init__(f"The export is {status}. {remedy}", extra={"export_status": status})


class ResultGone(NotFound):
    """There was a result, for a while."""

    code = "result_gone"
    title = "The result is gone"

    def __init__(self) -> None:
        super().__init__("The file is no longer kept. Ask for a new export.")


class TooManyExports(Refused):
    """Files lie beside the database: one person does not fill its disk."""

    code = "too_many_exports"
    title = "Too many exports"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} exports that wait, run or are kept. Cancel one, or wait until one expires."
        )


class TooManyFilters(Refused):
    """Nobody finds one among more."""

    code = "too_many_filters"
    title = "Too many saved filters"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} saved filters. Delete one first.")
