"""In-memory keyring entries: a key and its versions, with everything their use requires. No queries, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import final
from uuid import UUID

from accounts.authorization import Grant
from kernel.crypto.aead import Cipher
from kernel.crypto.algorithms import MODES, Mode
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.stream import StreamCipher
from kernel.errors import NotFound
from kernel.freshness.stamps import EpochStamp
from kernel.identities import Identity
from keys import lifecycle, wrapped_material
from keys.errors import KeyNotUsable
from keys.invocations import counter_of
from keys.lifecycle import LifecycleState, State, VersionState
from keys.models import KeyVersion

_ENTITY, _TAG = "key:", "tag:"


def key_entity(key_id: UUID) -> str:
    """The entity, as in ``kernel.freshness.stamps``, of a key with its versions."""
    return f"{_ENTITY}{key_id}"


def tag_entity(tag: str) -> str:
    """The entity of the grants on a tag."""
    return f"{_TAG}{tag}"


def is_of_tag(entity: str) -> bool:
    return entity.startswith(_TAG)


def key_of(entity: str) -> UUID | None:
    """The ID of the entity's key, or None if the entity is not a key."""
    return UUID(entity.removeprefix(_ENTITY)) if entity.startswith(_ENTITY) else None


@final
class CachedVersion(Confidential):
    """One version, ready to use. Its material is unwrapped at the first use of each mode, and kept as ciphers."""

    __slots__ = ("_binding", "_ciphers", "_id", "_lock", "_modes", "_wrapped", "number", "state")

    def __init__(self, row: KeyVersion) -> None:
        """``row`` includes its key, and both MACs have been checked."""
        self.number: int = row.version
        self.state = VersionState(row.state)
        self._id = row.pk
        self._wrapped = row.wrapped_key
        self._binding = (row.key.id, row.key.algorithm, row.key.purpose)
        self._modes = tuple(row.key.modes)
        self._ciphers: dict[str, Cipher] = {}
        self._lock = Lock()

    def cipher(self, mode: Mode) -> Cipher:
        """The cipher of ``mode``. Raises UnsupportedAlgorithm if the key may not use it; UnwrapFailed."""
        cipher = self._ciphers.get(mode.name)
        return cipher if cipher is not None else self._build(mode)

    def cached_cipher(self, mode: Mode) -> Cipher | None:
        """The cipher of ``mode`` if it is cached, otherwise None."""
        return self._ciphers.get(mode.name)

    def reserve_invocations(self, mode: Mode, count: int) -> None:
        """Count ``count`` messages *before* they are sealed. Raises UsageLimitReached.

        All modes of a version share one counter, which is stricter than their separate subkeys require.
        """
        if mode.invocation_limit is not None:
            counter_of(self._id).take(mode.invocation_limit, count)

    def prepare_invocations(self, mode: Mode, count: int) -> None:
        """Reserve ``count`` invocations for ``reserve_cached_invocations``. Raises UsageLimitReached."""
        if mode.invocation_limit is not None:
            counter_of(self._id).prepare(mode.invocation_limit, count)

    def reserve_cached_invocations(self, mode: Mode, count: int) -> bool:
        """Count messages using invocations already reserved by this process. False if that would need the database."""
        limit = mode.invocation_limit
        return limit is None or counter_of(self._id).take_reserved(limit, count)

    def stream_cipher(self) -> StreamCipher:
        """The cipher for streams. They use AES-256-GCM in chunks, so the key must allow that mode.

        Raises UnsupportedAlgorithm; UnwrapFailed.
        """
        self._require_mode(MODES["aes-256-gcm"])
        return StreamCipher(self._unwrap())

    def _build(self, mode: Mode) -> Cipher:
        self._require_mode(mode)
        with self._lock:
            if mode.name not in self._ciphers:
                self._ciphers[mode.name] = Cipher(self._unwrap(), mode)
            return self._ciphers[mode.name]

    def _require_mode(self, mode: Mode) -> None:
        if mode.name not in self._modes:
            raise UnsupportedAlgorithm(
                f"This key does not support {mode.name}. Use one of: {', '.join(self._modes)}."
            )

    def _unwrap(self) -> KeyMaterial:
        key_id, algorithm, purpose = self._binding
        return wrapped_material.open_wrapped(
            self._wrapped, key_id=key_id, version=self.number, algorithm=algorithm, purpose=purpose
        )


@final
@dataclass(frozen=True, slots=True)
class CachedKey:
    """A key as of ``stamp`` or later. Times are aware UTC."""

    key_id: UUID
    name: str
    algorithm: str
    purpose: str
    modes: tuple[str, ...]
    state: State
    activates_at: datetime | None
    expires_at: datetime | None
    owner: Identity
    grants: Mapping[str, Sequence[Grant]]
    primary_version: int
    versions: Mapping[int, CachedVersion] = field(repr=False)
    stamp: EpochStamp

    @property
    def protected_id(self) -> UUID:
        return self.key_id

    def lifecycle_state(self, now: datetime) -> LifecycleState:
        return lifecycle.lifecycle_state(self.state, self.activates_at, self.expires_at, now)

    def require_protect(self, now: datetime) -> CachedVersion:
        """The version that encrypts. Raises KeyNotActive."""
        lifecycle.require_protect(self.lifecycle_state(now))
        return self.versions[self.primary_version]

    def require_process(
        self, version: int, now: datetime, *, for_reencryption: bool = False
    ) -> CachedVersion:
        """The version that decrypts. Raises NotFound (no such version), KeyNotUsable (key or version)."""
        at = self.lifecycle_state(now)
        lifecycle.require_process(at, for_reencryption=for_reencryption)
        entry = self.versions.get(version)
        if entry is None:
            raise NotFound
        if entry.state is not VersionState.ENABLED:
            raise KeyNotUsable(f"Version {version} of this key is {entry.state}.", extra=at.facts())
        return entry
