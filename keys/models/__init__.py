"""Keys with their versions, rotations and grants. Only ``keys.services`` writes rows."""

from keys.models.grants import KeyGrant, KeyGrantQuerySet
from keys.models.keys import Key, KeyQuerySet, KeyRotation, KeyRotationQuerySet, KeyVersion

__all__ = [
    "Key",
    "KeyGrant",
    "KeyGrantQuerySet",
    "KeyQuerySet",
    "KeyRotation",
    "KeyRotationQuerySet",
    "KeyVersion",
]
