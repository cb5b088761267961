from ciphercanary.errors import Unavailable


class AuditUnavailable(Unavailable):
    """The record cannot be made durable, so the answer it belongs to is withheld."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self) -> None:
        super().__init__("The audit log cannot be written now, so nothing is answered. Try again later.")


class StaleDecision(Unavailable):
    """A key, a right or a user changed while the answer was computed: decide anew, on fresh rows."""

    def __init__(self) -> None:
        super().__init__("Keys or rights changed while the answer was computed. Try again.")
