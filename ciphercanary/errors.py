"""The one family of errors: what went wrong, in words a caller may read. There is no HTTP in it.

Every refusal in the product is a leaf of one of eight kinds. ``ciphercanary.problems`` is the only place
that knows which HTTP status a kind becomes.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

type FieldErrors = Mapping[str, Sequence[str]]


class DomainError(Exception):
    """A refusal with a stable code.

    ``detail`` is shown to the caller: it names the field or the state and the remedy, and never holds key
    bytes, plaintext, a password, a token or exception text. ``extra`` adds machine-readable members to the
    problem document; ``fields`` maps an input field to its messages.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, detail: str, *, fields: FieldErrors | None = None, extra: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = dict(fields or {})
        self.extra = dict(extra or {})


class Invalid(DomainError):
    """The request is malformed or contradicts itself."""

    code = "invalid_request"
    title = "The request is not valid"

    @staticmethod
    def of_field(name: str, message: str) -> "Invalid":
        """The refusal of one input field."""
        return Invalid(f"{name}: {message}", fields={name: [message]})


class Unauthenticated(DomainError):
    """Nobody known is asking."""

    code = "authentication_failed"
    title = "Authentication failed"


class Denied(DomainError):
    """Somebody known may not do this."""

    code = "permission_denied"
    title = "Permission denied"


class RecentAuthRequired(Denied):
    """The act asks for a log-in that is not older than ten minutes."""

    code = "recent_auth_required"
    title = "A recent sign-in is required"


class NotFound(DomainError):
    """It does not exist, or is not visible to the caller: the two are never told apart."""

    code = "not_found"
    title = "Not found"

    def __init__(self, detail: str = "This object does not exist, or you cannot see it.") -> None:
        super().__init__(detail)


class Conflict(DomainError):
    """The present state of the object forbids it."""

    code = "conflict"
    title = "The current state does not allow this"


class Refused(DomainError):
    """Understood, but a rule says no."""

    code = "policy_violated"
    title = "A rule does not allow this"


class Throttled(DomainError):
    """Too much, too soon; ``retry_after`` is in whole seconds."""

    code = "throttled"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, extra={"retry_after": retry_after})
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Something the answer depends on is missing; the same request may succeed later."""

    code = "dependency_unavailable"
    title = "A dependency is unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not answer in time, so nothing can be recorded, and nothing is answered without a record."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The database did not respond in time. Try again. If the problem continues, check /health."
        )
