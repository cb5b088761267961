from ciphercanary.errors import Unavailable

NOT_WRITABLE = "The audit log cannot be written now, so nothing is answered. Try again later."
CROWDED = "Too many records wait to be written, so nothing more is answered. Try again in a moment."


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so the answer it belongs to is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self, reason: str = NOT_WRITABLE) -> None:
        super().__init__(reason)


class StaleDecision(Unavailable):
    """A key, a right or a user changed while the answer was computed: decide anew, on fresh rows.

    ``entities`` are those that changed, as in ``audit.stamps``.
    """

    def __init__(self, entities: frozenset[str]) -> None:
        super().__init__("Keys or rights changed while the answer was computed. Try again.")
        self.entities = entities


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
