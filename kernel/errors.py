"""The one family of errors: what went wrong, in words a caller may read. There is no HTTP in it.

Every refusal in the product is a leaf of one of eight kinds. ``kernel.http.problems`` is the only place
that knows which HTTP status a kind becomes. The core imports no other package of ours, so the base class and the
two kinds that it raises are defined in ``kernel.crypto.errors``.
"""

from kernel.crypto.errors import DomainError, Invalid, Unavailable

__all__ = [
    "Conflict",
    "DatabaseUnavailable",
    "Denied",
    "DomainError",
    "Invalid",
    "NotFound",
    "RecentAuthRequired",
    "Refused",
    "Throttled",
    "Unauthenticated",
    "Unavailable",
]


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
    title = "A recent log-in is required"


class NotFound(DomainError):
    """It does not exist, or is not visible to the caller: the two are never told apart."""

    code = "not_found"
    title = "Not found"

    def __init__(self, detail: str = "There is no such object, or you may not see it.") -> None:
        super().__init__(detail)


class Conflict(DomainError):
    """The present state of the object forbids it."""

    code = "conflict"
    title = "The present state forbids this"


class Refused(DomainError):
    """Understood, but a rule says no."""

    code = "policy_violated"
    title = "A rule refuses this"


class Throttled(DomainError):
    """Too much, too soon; ``retry_after`` is in whole seconds."""

    code = "throttled"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, extra={"retry_after": retry_after})
        self.retry_after = retry_after


class DatabaseUnavailable(Unavailable):
    """The database does not answer in time, so nothing can be recorded, and nothing is answered without a record."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self) -> None:
        super().__init__("The database does not answer in time. Try again; the operator sees why on /health.")
