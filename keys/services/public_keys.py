"""Reading of public keys."""

from uuid import UUID

from django.db.models import F

from accounts.principals import Principal
from kernel.errors import NotFound
from keys.models import Key, KeyVersion
from keys.public_keys import PublicKey, public_key_of


def get_public_key(*, principal: Principal, key_id: UUID, version: int | None = None) -> PublicKey:
    """The public key of a version, the primary one unless named. It remains readable in every state.

    Raises Denied, NotFound (also for a symmetric key), IntegrityFailed.
    """
    principal.require("keys.read")
    rows = KeyVersion.objects.filter(
        key_id=key_id, key__in=Key.objects.visible_to(principal), public_key__isnull=False
    )
    row = (
        rows.filter(version=F("key__primary_version") if version is None else version)
        .select_related("key")
        .first()
    )
    if row is None:
        raise NotFound
    row.key.check_mac()
    return public_key_of(row.check_mac())
