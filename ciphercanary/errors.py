"""The errors of the product: what went wrong, in words that a caller may read. Independent of HTTP.

Every refusal is a subclass of one of eight kinds. Only ``ciphercanary.problems`` maps a kind to an HTTP status.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

type FieldErrors = Mapping[str, Sequence[str]]


class DomainError(Exception):
    """A refusal with a stable code.

    ``detail`` is shown to the caller. It names the field or the state and the remedy, and never contains key bytes,
    plaintext, a password, a token or exception text. ``extra`` adds machine-readable members to the problem
    document; ``fields`` maps an input field to its messages.
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
    """The caller could not be authenticated."""

    code = "authentication_failed"
    title = "Authentication failed"


class Denied(DomainError):
    """An authenticated caller lacks the permission."""

    code = "permission_denied"
    title = "Permission denied"


class RecentAuthRequired(Denied):
    """The operation requires a log-in within the last ten minutes."""

    code = "recent_auth_required"
    title = "A recent log-in is required"


class NotFound(DomainError):
    """The object does not exist or is not visible to the caller; the response does not distinguish the two."""

    code = "not_found"
    title = "Not found"

    def __init__(self, detail: str = "There is no such object, or you may not see it.") -> None:
        super().__init__(detail)


class Conflict(DomainError):
    """The current state of the object forbids the operation."""

    code = "conflict"
    title = "The present state forbids this"


class Refused(DomainError):
    """The request is valid, but a rule forbids it."""

    code = "policy_violated"
    title = "A rule refuses this"


class Throttled(DomainError):
    """Too many requests; ``retry_after`` is in whole seconds."""

    code = "throttled"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, extra={"retry_after": retry_after})
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A dependency of the request is unavailable. The same request may succeed later."""

    code = "dependency_unavailable"
    title = "A dependency is unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not respond in time. No audit event can be written, so the request fails."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self) -> None:
        super().__init__("The database does not answer in time. Try again; the operator sees why on /health.")
