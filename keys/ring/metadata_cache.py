"""Caches key metadata in Django's cache for read-only views. No decision may depend on a cached entry.

The cache key contains the epoch of the key (``kernel.freshness.stamps``) from the caller's stamp. That epoch was read
in the same statement as the epochs of the caller's rights, before any row. After a change, every process uses a new
epoch and cannot find the old entries.

The cache key also contains the reader's scope, because an entry is stored only after the database has shown the
key to that reader. A key that the reader may not see is a cache miss, like a key that does not exist, and takes
the same time.

The MAC covers the cache key and the content. An attacker who can write to Redis can only delete entries, or put a
genuine entry back in its place.
"""

import json
import logging
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS

from accounts.principals import Principal
from kernel.crypto.errors import MacMismatch
from kernel.trust import system_keys
from kernel.trust.row_mac import encode_fields
from keys.entities import key_entity
from keys.models import Key

logger = logging.getLogger(__name__)

_LABEL: Final = "metadata of encryption_keys"
MAC_VERSION: Final = 1
_LEFT_OUT: Final = {"row_mac", "searched_text"}
_FIELDS: Final = [field for field in Key._meta.concrete_fields if field.name not in _LEFT_OUT]
NAMES: Final = [field.attname for field in _FIELDS]


def find(principal: Principal, key_id: UUID) -> Key | None:
    """The key as the principal sees it, without the columns ``_LEFT_OUT``. None on a cache miss. Raises Denied."""
    place = _place(principal, key_id)
    entry = caches["metadata"].get(place) if place else None
    if not isinstance(entry, str):
        return None
    mac, _, text = entry.partition(" ")
    try:
        system_keys.check_mac(system_keys.ROW_MAC, MAC_VERSION, _message(place, text), mac)
    except (MacMismatch, UnicodeEncodeError):
        logger.warning("an entry of the metadata cache was altered, and is not used")
        return None
    values = zip(_FIELDS, json.loads(text), strict=True)
    return Key.from_db(DEFAULT_DB_ALIAS, NAMES, [field.to_python(value) for field, value in values])


def keep(principal: Principal, key: Key) -> None:
    """Cache a key that the database has shown to the principal after the principal's stamp was read.

    Not for a reader with a grant, because the cache key has no epoch of a grant on a tag.
    """
    if not principal.sees_all("keys.read") and key.owner != principal.identity:
        return
    place = _place(principal, key.id)
    if place:
        text = json.dumps([getattr(key, name) for name in NAMES], default=str)
        mac = system_keys.make_mac(system_keys.ROW_MAC, MAC_VERSION, _message(place, text))
        caches["metadata"].set(place, f"{mac} {text}", settings.CC_METADATA_CACHE_SECONDS)


def _place(principal: Principal, key_id: UUID) -> str:
    """The cache key of the entry; "" if the cache is off or the principal's stamp does not cover this key."""
    if principal.limits is not None:  # a token may be limited to some of its owner's keys
        return ""
    reader = "all" if principal.sees_all("keys.read") else principal.identity.entity
    stamp, entity = principal.stamp, key_entity(key_id)
    if not settings.CC_METADATA_CACHE_SECONDS or stamp is None or entity not in stamp.epochs:
        return ""
    return f"{entity}:{stamp.epochs[entity]}:{reader}"


def _message(place: str, text: str) -> bytes:
    return encode_fields((_LABEL, place, NAMES, text))
