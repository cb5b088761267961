"""The errors of the product. Their messages are safe to show to callers. Independent of HTTP.

Every refusal is a subclass of one of nine kinds. Only ``kernel.http.problems`` maps a kind to an HTTP status.
The core imports no other package of ours, so ``kernel.crypto.errors`` defines the base class and the two kinds that
it raises.
"""

from kernel.crypto.errors import DomainError, Invalid, Unavailable

__all__ = [
    "Conflict",
    "DatabaseUnavailable",
    "Denied",
    "DomainError",
    "Gone",
    "Invalid",
    "NotFound",
    "OutcomeUnknown",
    "Overloaded",
    "RecentAuthRequired",
    "Refused",
    "SecondFactorRequired",
    "Throttled",
    "Unauthenticated",
    "Unavailable",
    "VersionConflict",
]


class Unauthenticated(DomainError):
    """The caller could not be authenticated."""

    code = "authentication_failed"
    title = "Authentication failed"


class Denied(DomainError):
    """An authenticated caller lacks the permission. ``rule`` identifies the rule that decided."""

    code = "permission_denied"
    title = "Permission denied"

    @property
    def rule(self) -> str:
        return str(self.extra.get("rule", self.code))


class RecentAuthRequired(Denied):
    """The operation requires a sign-in within the last ten minutes."""

    code = "recent_auth_required"
    title = "A recent sign-in is required"


class SecondFactorRequired(Denied):
    """The caller's role requires a second factor, which the caller has not set up yet."""

    code = "second_factor_required"
    title = "Your role requires a second factor"

    def __init__(self) -> None:
        super().__init__(
            "Your role requires a second factor. Set up an authenticator app: POST /auth/totp/enrol, then "
            "POST /auth/totp/confirm."
        )


class NotFound(DomainError):
    """The object does not exist or is not visible to the caller; the response does not distinguish the two."""

    code = "not_found"
    title = "Not found"

    def __init__(self, detail: str = "This object does not exist, or you cannot see it.") -> None:
        super().__init__(detail)


class Gone(DomainError):
    """The object existed, and is elsewhere now. Only callers who may see it learn this."""

    code = "gone"
    title = "No longer here"


class Conflict(DomainError):
    """The current state of the object forbids the operation."""

    code = "conflict"
    title = "The current state does not allow this"


class VersionConflict(Conflict):
    """The object was changed after the caller read it."""

    code = "version_conflict"
    title = "The object has a different version"


class Refused(DomainError):
    """The request is valid, but a rule forbids it."""

    code = "policy_violated"
    title = "A rule does not allow this"


class Throttled(DomainError):
    """Too many requests; ``retry_after`` is in whole seconds."""

    code = "throttled"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, extra={"retry_after": retry_after})
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """The process has no capacity for the request at present, and has done nothing. ``retry_after`` is in seconds."""

    code = "overloaded"
    title = "Service Unavailable"

    def __init__(self) -> None:
        super().__init__(
            "The server is busy. The request was not processed. Try again.", extra={"retry_after": 1}
        )


class DatabaseUnavailable(Unavailable):
    """The database does not respond in time. No audit event can be written, so the request fails."""

    code = "audit_unavailable"
    title = "The audit log cannot be written"

    def __init__(self) -> None:
        super().__init__(
            "The database did not respond in time. Try again. If the problem continues, check /health."
        )


class OutcomeUnknown(Unavailable):
    """The database did not confirm the commit in time. The change may have been made, or be made later."""

    code = "outcome_unknown"
    title = "It is unknown whether the request was completed"

    def __init__(self) -> None:
        super().__init__(
            "The database did not confirm in time that the request was stored. It may have been completed, or be completed "
            "later. Check this before you repeat it, or repeat it with the same Idempotency-Key. If the problem continues, "
            "check /readyz."
        )
