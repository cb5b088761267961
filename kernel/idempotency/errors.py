from kernel.errors import Conflict, Refused


class RequestInProgress(Conflict):
    """Another request with the same idempotency key has not ended yet."""

    code = "request_in_progress"
    title = "A request with this idempotency key is in progress"

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key has not ended yet. Try again in 1 second.",
            extra={"retry_after": 1},
        )


class AlreadyCompleted(Conflict):
    """The first request made the change. Its response contained a secret, which is not stored."""

    code = "already_completed"
    title = "This is already done"

    def __init__(self, object_id: str) -> None:
        super().__init__(
            "The first request with this Idempotency-Key succeeded. Its response contained a secret and cannot be "
            "shown again.",
            extra={"id": object_id},
        )


class IdempotencyKeyReused(Refused):
    """The caller sent a different request with the same idempotency key."""

    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"

    def __init__(self) -> None:
        super().__init__(
            "You sent another request with this Idempotency-Key in the last 24 hours. Use a new key for each request, "
            "and the same key and body only for a retry."
        )
