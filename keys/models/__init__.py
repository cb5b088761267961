"""Keys with their versions, rotations, policies and grants. Only the services of the rooms write rows."""

from keys.models.grants import KeyGrant, KeyGrantQuerySet
from keys.models.imports import ImportParameters
from keys.models.key_queries import KeyQuerySet
from keys.models.keys import Key
from keys.models.policies import EncryptionPolicy
from keys.models.rotations import KeyRotation, KeyRotationJob, KeyRotationQuerySet, RotationStatus, Selection
from keys.models.transit import TransitKey, TransitMount
from keys.models.versions import KeyVersion

__all__ = [
    "EncryptionPolicy",
    "ImportParameters",
    "Key",
    "KeyGrant",
    "KeyGrantQuerySet",
    "KeyQuerySet",
    "KeyRotation",
    "KeyRotationJob",
    "KeyRotationQuerySet",
    "KeyVersion",
    "RotationStatus",
    "Selection",
    "TransitKey",
    "TransitMount",
]
