"""Reading of public keys."""

from typing import Final
from uuid import UUID

from django.db.models import F, QuerySet

from accounts.principals import Principal
from kernel.clock import process_now
from kernel.errors import NotFound
from keys.errors import KeyNotUsable
from keys.models import Key, KeyVersion
from keys.ring.key_loading import id_within_reach, load_key
from keys.transport.jose import ONLY_ONE, AlgChoice
from keys.transport.public_key_formats import PublicKey, public_key_of

_MAX_LISTED: Final = 100


def get_public_key(
    *, principal: Principal, key_id: UUID, version: int | None = None, choice: AlgChoice = ONLY_ONE
) -> PublicKey:
    """The public key of a version, the primary one unless named. It remains readable in every state.

    Raises Denied, NotFound (also for a symmetric key), Invalid (a choice that the key does not have), IntegrityFailed.
    """
    principal.require("keys.read")
    rows = _rows(principal, key_id).select_related("key__policy")
    row = rows.filter(version=F("key__primary_version") if version is None else version).first()
    if row is None:
        raise _not_found(principal, key_id)
    return _public_key_of(row, choice)


def list_public_keys(*, principal: Principal, key_id: UUID, choice: AlgChoice = ONLY_ONE) -> list[PublicKey]:
    """The public keys of the versions that may process now, the newest ``_MAX_LISTED``, newest first.

    Empty if the state of the key forbids it. Raises as ``get_public_key``.
    """
    principal.require("keys.read")
    if not _rows(principal, key_id).exists():
        raise _not_found(principal, key_id)
    try:
        versions = load_key(key_id).processing_versions(process_now())
    except KeyNotUsable:
        return []
    numbers = [version.number for version in versions[:_MAX_LISTED]]
    rows = _rows(principal, key_id).filter(version__in=numbers).select_related("key__policy")
    return [_public_key_of(row, choice) for row in rows.order_by("-version")]


def _public_key_of(row: KeyVersion, choice: AlgChoice) -> PublicKey:
    row.key.check_mac()
    if row.key.policy is not None:  # it determines the modes
        row.key.policy.check_mac()
    return public_key_of(row.check_mac(), choice)


def _not_found(principal: Principal, key_id: UUID) -> NotFound:
    """The error for a key without this public key. Raises ``out_of_reach``."""
    id_within_reach(principal=principal, reference=key_id)
    return NotFound()


def _rows(principal: Principal, key_id: UUID) -> QuerySet[KeyVersion]:
    return KeyVersion.objects.filter(  # noqa: CC2 - joined to the keys that the caller may see
        key_id=key_id, key__in=Key.objects.visible_to(principal), public_key__isnull=False
    )
