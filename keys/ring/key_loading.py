"""Reading of one key into memory, for the keyring."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from django.db.models import F, Q

from accounts.authorization import Grant
from accounts.principals import Principal
from kernel.errors import NotFound
from kernel.freshness.epoch import read_stamp
from kernel.freshness.stamps import EpochStamp
from kernel.trust.row_heads import current_rows, find_current, require_no_head
from kernel.trust.row_mac import IntegrityFailed
from keys.entities import key_entity, policy_entity, tag_entity
from keys.lifecycle import State
from keys.models import EncryptionPolicy, Key, KeyGrant, KeyVersion, TransitKey
from keys.models.rotation_policy import RotationPolicy
from keys.reach import out_of_reach
from keys.references import PREFIX, KeyReference, columns_of, transit_reference
from keys.ring.cached_keys import CachedKey, CachedVersion


def id_within_reach(*, principal: Principal, reference: KeyReference) -> UUID:
    """The ID of a key within the caller's reach. Raises ``out_of_reach``, with the same queries for any other and for none."""
    reached = Key.objects.within_reach_of(principal).filter(**columns_of(reference))
    key_id = reached.values_list("id", flat=True).first()
    if key_id is None:
        raise out_of_reach(principal, reference)
    return key_id


def load_key(key_id: UUID) -> CachedKey:
    """The key as it is now, with its versions, grants and policy. Raises NotFound, IntegrityFailed."""
    # Read the epochs before the rows. An epoch read after them could be newer than the rows.
    stamp = read_stamp(key_entity(key_id))
    # One statement uses one snapshot. With two, a rotation in between would look like an altered row.
    found = KeyVersion.objects.filter(key_id=key_id).select_related("key").order_by("version")  # noqa: CC2 - the ring is shared; each find checks the caller's access
    rows = list(current_rows(found, "key"))
    if not rows:
        raise NotFound
    key = rows[0].key
    if [row.version for row in rows] != list(range(1, key.primary_version + 1)):
        raise IntegrityFailed("Key versions are missing. Restore the database from a backup.")
    shared = [*map(tag_entity, key.granting_tags), *map(policy_entity, filter(None, [key.policy_id]))]
    if shared:
        of_shared = read_stamp(*shared)
        stamp = EpochStamp({**stamp.epochs, **of_shared.epochs}, stamp.as_of)
    return _entry(key, rows, _grants_on(key), stamp)


def _grants_on(key: Key) -> Mapping[str, Sequence[Grant]]:
    """The grants by holder; of one holder, those that last longest first."""
    found = KeyGrant.objects.filter(Q(key=key) | Q(tag__in=key.granting_tags))
    grants: dict[str, list[Grant]] = {}
    for row in current_rows(found.order_by(F("expires_at").desc(nulls_first=True), "id")):
        grants.setdefault(row.holder, []).append(row.as_rule())
    return MappingProxyType(grants)


def _entry(
    key: Key, rows: list[KeyVersion], grants: Mapping[str, Sequence[Grant]], stamp: EpochStamp
) -> CachedKey:
    # Read after the stamp of the policy, and therefore not joined to the statement above.
    [policy] = current_rows(EncryptionPolicy.objects.filter(pk=key.policy_id)) if key.policy_id else [None]
    rotation = RotationPolicy() if policy is None else policy.rotation
    transit = _transit(key)
    return CachedKey(
        key_id=key.id,
        name=key.name,
        algorithm=key.algorithm,
        purpose=key.purpose,
        modes=tuple(key.modes),
        state=State(key.state),
        activates_at=key.activates_at,
        expires_at=key.expires_at,
        resumes_at=key.resumes_at,
        owner=key.owner,
        grants=grants,
        primary_version=key.primary_version,
        min_decryption_version=key.min_decryption_version,
        successor_id=key.successor_id,
        policy_modes=None if policy is None else tuple(policy.allowed_modes),
        grace=None if rotation.grace_days is None else timedelta(days=rotation.grace_days),
        reencrypts_after_grace=rotation.reencrypt,
        versions=MappingProxyType({row.version: CachedVersion(row) for row in rows}),
        stamp=stamp,
        is_default=key.is_default,
        protects=key.protects,
        has_private_key=key.has_private_key,
        references=(
            PREFIX + key.name,
            *([transit_reference(transit.mount, transit.name)] if transit else []),
        ),
        min_encryption_version=transit.min_encryption_version if transit else 0,
    )


def _transit(key: Key) -> TransitKey | None:
    """Raises IntegrityFailed."""
    if key.purpose != "transit":
        return None
    row = find_current(TransitKey.objects.filter(pk=key.pk))
    if row is None:
        require_no_head(TransitKey, key.pk)
    return row
