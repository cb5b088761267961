"""Reading of public keys."""

from typing import Final
from uuid import UUID

from django.db.models import F, QuerySet

from accounts.principals import Principal
from kernel.clock import process_now
from kernel.errors import NotFound
from keys.errors import KeyNotUsable
from keys.key_loading import load_key
from keys.models import Key, KeyVersion
from keys.public_keys import PublicKey, public_key_of

MAX_LISTED: Final = 100


def get_public_key(*, principal: Principal, key_id: UUID, version: int | None = None) -> PublicKey:
    """The public key of a version, the primary one unless named. It remains readable in every state.

    Raises Denied, NotFound (also for a symmetric key), IntegrityFailed.
    """
    principal.require("keys.read")
    rows = _rows(principal, key_id)
    row = (
        rows.filter(version=F("key__primary_version") if version is None else version)
        .select_related("key")
        .first()
    )
    if row is None:
        raise NotFound
    row.key.check_mac()
    return public_key_of(row.check_mac())


def list_public_keys(*, principal: Principal, key_id: UUID) -> list[PublicKey]:
    """The public keys of the versions that may process now, the newest ``MAX_LISTED``, newest first.

    Empty if the state of the key forbids it. Raises Denied, NotFound (also for a symmetric key), IntegrityFailed.
    """
    principal.require("keys.read")
    if not _rows(principal, key_id).exists():
        raise NotFound
    try:
        versions = load_key(key_id).processing_versions(process_now())
    except KeyNotUsable:
        return []
    numbers = [version.number for version in versions[:MAX_LISTED]]
    rows = _rows(principal, key_id).filter(version__in=numbers).select_related("key").order_by("-version")
    return [public_key_of(row.check_mac()) for row in rows]


def _rows(principal: Principal, key_id: UUID) -> QuerySet[KeyVersion]:
    return KeyVersion.objects.filter(
        key_id=key_id, key__in=Key.objects.visible_to(principal), public_key__isnull=False
    )
