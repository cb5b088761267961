"""Find and store completed requests.

The caller opens a transaction, calls ``claim``, makes the change, and calls ``complete``. So a crash leaves either both
the change and its record, or neither. A failed request leaves no record: its retry runs again.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final, Self
from uuid import UUID

from kernel.clock import database_now
from kernel.crypto.errors import MacMismatch
from kernel.databases.transactions import try_lock
from kernel.idempotency.errors import IdempotencyKeyReused, RequestInProgress
from kernel.idempotency.models import CompletedRequest
from kernel.trust import system_keys
from kernel.trust.row_mac import encode_fields

_LIFETIME: Final = timedelta(hours=24)
DELETED_AT_ONCE: Final = 500
_LABEL, _VERSION = "idempotent-request", 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with an idempotency key. ``message`` encodes what a retry must repeat."""

    key_hash: str
    message: bytes

    @classmethod
    def of(cls, principal_id: UUID, key: str, *content: str) -> Self:
        """``content``: the method, the path, the body, and anything else that makes two requests different."""
        key_hash = sha256(encode_fields((principal_id, key))).hexdigest()
        return cls(key_hash, encode_fields((_LABEL, *content)))

    @property
    def lock(self) -> int:
        """A key among PostgreSQL's advisory locks, a bigint."""
        return int.from_bytes(bytes.fromhex(self.key_hash)[:8], signed=True)


def claim(attempt: Attempt) -> CompletedRequest:
    """The completed request with this key. If there is none, a new one for ``complete``, which is not saved yet.

    Until the transaction ends, another request with the same key is refused, or waits on SQLite. Raises
    RequestInProgress, IdempotencyKeyReused, IntegrityFailed.
    """
    if not try_lock(attempt.lock):
        raise RequestInProgress
    now = database_now()
    found = CompletedRequest.objects.filter(key_hash=attempt.key_hash).first()
    if found is not None and found.check_mac().expires_at <= now:
        found.delete()
        found = None
    if found is None:
        # A plain hash of a body with few unknown bits, such as a password, would reveal it to a reader of the table.
        request_mac = system_keys.make_mac(system_keys.ROW_MAC, _VERSION, attempt.message)
        return CompletedRequest(
            key_hash=attempt.key_hash, request_mac=request_mac, expires_at=now + _LIFETIME
        )
    try:
        system_keys.check_mac(system_keys.ROW_MAC, _VERSION, attempt.message, found.request_mac)
    except MacMismatch:
        raise IdempotencyKeyReused from None
    return found


def complete(request: CompletedRequest, *, response: str = "", object_id: str = "") -> None:
    """Store the response or, if it contains a secret, only the id of the object."""
    request.response, request.object_id = response, object_id
    request.save_with_mac()


def delete_expired() -> None:
    """Delete expired rows, in small transactions because each blocks every other writer on SQLite."""
    expired = CompletedRequest.objects.filter(expires_at__lte=database_now()).order_by("expires_at")
    while ids := list(expired.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        CompletedRequest.objects.filter(pk__in=ids).delete()  # noqa: CC3 - deletes expired requests
