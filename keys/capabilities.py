"""The operations that a key allows: by its purpose and state, and by what an imported key lacks."""

from datetime import datetime
from typing import Protocol

from keys import lifecycle
from keys.errors import CannotProtect, PrivateKeyMissing
from keys.lifecycle import State
from keys.models import Key


class _Limited(Protocol):
    """A key. ``protects``: as of ``KeyAlgorithm``. ``has_private_key``: False if only the public key was imported."""

    @property
    def algorithm(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def protects(self) -> bool: ...
    @property
    def has_private_key(self) -> bool: ...


def operations(key: _Limited, state: State) -> list[str]:
    """The operations that the key allows in this effective state, in the words of permissions."""
    return lifecycle.operations(
        key.algorithm, key.purpose, state, protects=key.protects, has_private_key=key.has_private_key
    )


def excluded_operations(key: _Limited) -> set[str]:
    """The operations of its purpose that the key allows in no state."""
    return set(lifecycle.operations_of(key.algorithm, key.purpose)) - set(operations(key, State.ACTIVE))


def require_new_material(key: Key, now: datetime) -> None:
    """For a rotation. Raises KeyNotActive, CannotProtect, PrivateKeyMissing."""
    key.require_protect(now)
    if not key.protects:
        raise CannotProtect(key.algorithm)
    if not key.has_private_key:
        raise PrivateKeyMissing
