"""Building blocks of key changes: lock a key, create a version, and finish the change with an audit event.

Also the right to change tags on which grants exist.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import DatabaseError

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Denied, DomainError, Invalid, Unavailable
from kernel.freshness.epoch import raise_epoch
from kernel.trust.row_heads import current_rows
from kernel.trust.row_mac import IntegrityFailed
from kernel.trust.wrapped_row import Wrapped
from keys import wrapped_material
from keys.entities import key_entity
from keys.models import EncryptionPolicy, Key, KeyGrant, KeyVersion
from keys.new_material import NewMaterial

MANAGE = "keys.grant"
MAX_CHANGED: Final = 100
"""Keys that one request changes. This is no job: each key takes milliseconds."""
_RETAGGED = (
    "A grant exists on a tag that you add or remove, so this changes who may use the key. Leave this tag as it is, or "
    f"have someone with the permission {MANAGE} change it."
)


@dataclass(frozen=True, slots=True)
class KeyResult:
    """The result for one of several keys. Without an ``error``, an unchanged key already was as requested."""

    key: Key
    is_changed: bool
    error: DomainError | None = None

    @property
    def reason(self) -> str:
        """Why the key did not change, without the names of fields; "" without an error."""
        if self.error is None:
            return ""
        return " ".join(text for texts in self.error.fields.values() for text in texts) or self.error.detail


def change_each(keys: Sequence[Key], change: Callable[[Key], bool]) -> list[KeyResult]:
    """Call ``change`` for each key, which returns whether it changed the key. A failure does not stop the others.

    Raises Invalid.
    """
    if len(keys) > MAX_CHANGED:
        raise Invalid.of_field("keys", f"Choose at most {MAX_CHANGED} keys.")
    return [_change_one(key, change) for key in keys]


def _change_one(key: Key, change: Callable[[Key], bool]) -> KeyResult:
    try:
        return KeyResult(key, is_changed=change(key))
    except (DomainError, DatabaseError) as error:
        return KeyResult(key, is_changed=False, error=as_refusal(error))


def lock_key(principal: Principal, key_id: UUID) -> Key:
    """The key, with its row locked until the transaction ends, and its policy. Raises NotFound, IntegrityFailed.

    SQLite has no row locks. There every transaction is IMMEDIATE, which has the same effect.
    """
    return first_of(Key.objects.within_reach_of(principal).select_for_update().filter(pk=key_id)).check_mac()


def lock_policy(policy_id: UUID) -> EncryptionPolicy:
    """The policy, which cannot change until the transaction ends. Raises Invalid, IntegrityFailed.

    A shared lock would let several keys be created at once, but Django has none that both databases support.
    """
    policy = EncryptionPolicy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise Invalid.of_field("policy_id", "There is no policy with this ID.")
    return policy.check_mac()


def lock_policy_of(key: Key) -> EncryptionPolicy | None:
    """The policy of a locked key, locked too, before its rules decide. Raises IntegrityFailed.

    ``update_policy`` locks the policy first, and its keys only if their rotations move. PostgreSQL ends a deadlock of
    the two with an OperationalError, which is a 503 that can be retried.
    """
    if key.policy_id is not None:
        key.policy = lock_policy(key.policy_id)
    return key.policy


def lock_version(principal: Principal, key_id: UUID, number: int) -> tuple[Key, KeyVersion]:
    """The key, locked as by ``lock_key``, and one of its versions. Raises NotFound, IntegrityFailed."""
    key = lock_key(principal, key_id)
    return key, first_of(key.versions.filter(version=number)).check_mac()


def as_refusal(error: DomainError | DatabaseError) -> DomainError:
    """The error of one of many changes, which does not stop the others."""
    return error if isinstance(error, DomainError) else Unavailable("The database rejected the change.")


def finish_change(
    principal: Principal,
    action: str,
    key: Key,
    changes: list[RowChange],
    *,
    version: int | None = None,
    meta: dict[str, object] | None = None,
) -> None:
    """Record the change, then raise the key's epoch, which invalidates earlier decisions once the change is committed.

    Raise the epoch as late as possible, because it takes the lock that every encryption in flight waits for.
    """
    record(key_event(action, key, version=version, meta=meta), principal.actor, changes=changes)
    raise_epoch(key_entity(key.id))
    # The caller's rights may have ended while this transaction waited for its locks.
    confirm_rights(principal)


def new_version(key: Key, number: int, new: NewMaterial, now: datetime) -> KeyVersion:
    """A version with new material, not yet saved. It becomes the key's primary version when it is saved."""
    if new.algorithm != key.algorithm:  # the row was read without its MAC when the material was generated
        raise IntegrityFailed("The algorithm of a key was altered. Restore the database from a backup.")
    wrapped = (
        Wrapped("", b"")
        if new.material is None
        else wrapped_material.wrap(new.material, key.id, number, key.kind)
    )
    return KeyVersion(
        key=key,
        version=number,
        is_primary=True,
        kek_id=wrapped.kek_id,
        wrapped=wrapped.wrapped,
        public_key=new.public_key,
        created_at=now,
    )


def key_event(
    action: str, key: Key, *, version: int | None = None, meta: dict[str, object] | None = None
) -> Event:
    """The event contains the row's sequence number, so that restoring an old row can be detected."""
    return Event(
        action=action,
        object_type="key",
        object_id=str(key.pk),
        object_version=version,
        meta={"name": key.name, "row_seq": key.row_seq, **(meta or {})},
    )


def require_retag(principal: Principal, before: Iterable[str], after: Iterable[str]) -> None:
    """Refuse new tags of a key if they change which grants apply to it, unless the caller may grant by tag.

    Call it last, with the epoch locked: a grant on a tag is then committed before this reads, or after the new tags.
    ``before``: the tags whose grants apply to the key; none for a new key. Raises Denied.
    """
    try:
        require_for_all_keys(principal)
    except Denied as denied:
        if _is_any_granted(set(before) ^ set(after)):
            refusal = Denied(f"tags: {_RETAGGED}", fields={"tags": [_RETAGGED]}, extra=denied.extra)
            raise refusal from None


def _is_any_granted(tags: Collection[str]) -> bool:
    """Whether a grant on one of the tags is in force. The MAC covers its end."""
    grants = list(current_rows(KeyGrant.objects.filter(tag__in=tags)))
    if not grants:
        return False
    now = database_now()
    return any(grant.expires_at is None or grant.expires_at > now for grant in grants)


def require_for_all_keys(principal: Principal) -> None:
    """Raises Denied unless the caller may grant operations with every key that has a tag."""
    principal.require(MANAGE)
    limits = principal.limits
    if limits is not None and limits.key_ids is not None:
        raise Denied("This token is limited to some keys.", extra={"permission": MANAGE, "rule": limits.rule})
