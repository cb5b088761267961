"""What changes are made of: take a key under lock, give it a version, finish the change on record."""

from datetime import datetime
from uuid import UUID

from accounts.principals import Principal
from accounts.tokens import renew_principal
from audit.log.events import Event, RowChange
from audit.services import record
from kernel.crypto.algorithms import KeyAlgorithm
from kernel.errors import NotFound
from kernel.freshness.epoch import raise_epoch
from keys import wrapping
from keys.entries import key_entity
from keys.models import Key, KeyVersion


def lock_key(principal: Principal, key_id: UUID) -> Key:
    """The key, its row locked until the transaction ends. Raises NotFound, IntegrityFailed.

    SQLite knows no row locks; there every transaction is IMMEDIATE, which is the lock.
    """
    key = Key.objects.visible_to(principal).select_for_update().filter(pk=key_id).first()
    if key is None:
        raise NotFound
    return key.check_mac()


def finish_change(
    principal: Principal,
    action: str,
    key: Key,
    changes: list[RowChange],
    *,
    version: int | None = None,
    meta: dict[str, object] | None = None,
) -> None:
    """Record the change, then raise the key's epoch: from its commit on no decision stands that was made before.

    Raising the epoch is the last step, since it holds the lock that every encryption in flight waits for.
    """
    record(key_event(action, key, version=version, meta=meta), principal.actor, changes=changes)
    raise_epoch(key_entity(key.id))
    # While the change waited for its locks, somebody may have ended the rights it was asked for with.
    renew_principal(principal)


def new_version(key: Key, number: int, kind: KeyAlgorithm, now: datetime) -> KeyVersion:
    """A version with fresh material, not yet saved: the key's primary from the moment it is."""
    wrapped = wrapping.generate_wrapped(key.id, number, kind)
    return KeyVersion(
        key=key,
        version=number,
        is_primary=True,
        kek_id=wrapped.kek_id,
        wrapped=wrapped.wrapped,
        created_at=now,
    )


def key_event(
    action: str, key: Key, *, version: int | None = None, meta: dict[str, object] | None = None
) -> Event:
    """The row's sequence number stands in the event, so that an old row put back later can be told."""
    return Event(
        action=action,
        object_type="key",
        object_id=str(key.pk),
        object_version=version,
        meta={"name": key.name, "row_seq": key.row_seq, **(meta or {})},
    )
