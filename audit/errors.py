from ciphercanary.errors import Conflict, Invalid, NotFound, Refused, Unavailable

NOT_WRITABLE = "The audit log cannot be written, so the request was not completed. Try again later."
CROWDED = "Too many audit records are waiting to be written, so the request was not completed. Try again in a moment."


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so the answer it belongs to is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self, reason: str = NOT_WRITABLE) -> None:
        super().__init__(reason)


class StaleDecision(Unavailable):
    """A key, a right or a user changed while the answer was computed: decide anew, on fresh rows.

    ``entities`` are those of whatever no longer holds, as in ``audit.stamps``: at least one of them changed.
    """

    def __init__(self, entities: frozenset[str]) -> None:
        super().__init__("Keys or permissions changed while the request was processed. Try again.")
        self.entities = entities


class NotSequenced(Conflict):
    """No checkpoint covers it yet, so there is nothing to prove it by; about a second later there is."""

    code = "not_sequenced"
    title = "No checkpoint covers this yet"

    def __init__(self) -> None:
        super().__init__(
            "No signed checkpoint covers this entry yet. Try again in 1 second. If the problem continues, check "
            "at /health that the sequencer is running.",
            extra={"retry_after": 1},
        )


class AlarmResolved(Conflict):
    """The alarm is resolved already, and that decision is kept."""

    code = "already_completed"
    title = "This is already done"

    def __init__(self, resolved_at: str) -> None:
        super().__init__("This alarm is already resolved.", extra={"resolved_at": resolved_at})


class CheckpointRefused(Unavailable):
    """What is stored contradicts what was signed, or itself: nothing more is signed until somebody has looked."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__(
            "The audit log tree does not match the tree that was signed earlier, so it was not signed. "
            "Run verify_audit_log, and find out who changed the database."
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
    title = "The export file cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The export file cannot be written. Check the free space and the permissions of CC_HOME."
        )


class NoResult(Conflict):
    """The export has not succeeded, or will not any more."""

    code = "no_result"
    title = "The export has no result"

    def __init__(self, status: str) -> None:
        remedy = (
            "Start a new export." if status in {"failed", "cancelled"} else "Wait until it has succeeded."
        )
        super().__init__(f"The export is {status}. {remedy}", extra={"export_status": status})


class ResultGone(NotFound):
    """There was a result, for a while."""

    code = "result_gone"
    title = "The export file has expired"

    def __init__(self) -> None:
        super().__init__("The export file has expired. Start a new export.")


class TooManyExports(Refused):
    """Files lie beside the database: one person does not fill its disk."""

    code = "too_many_exports"
    title = "Too many exports"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} exports, which is the limit. Cancel one, or wait until one expires."
        )


class TooManyFilters(Refused):
    """Nobody finds one among more."""

    code = "too_many_filters"
    title = "Too many saved filters"

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} saved filters, which is the limit. Delete one first.")
