"""In-memory keyring entries: a key and its versions, with everything their use requires. No queries, no clock."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, final
from uuid import UUID

from accounts.authorization import Grant
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import Mode, SealingMode, TransitMode
from kernel.crypto.sealing.stream import StreamCipher
from kernel.errors import NotFound
from kernel.freshness.stamps import EpochStamp
from kernel.identities import Identity
from keys import lifecycle, wrapped_material
from keys.errors import CannotProtect, KeyNotUsable, PolicyViolated, PrivateKeyMissing
from keys.lifecycle import LifecycleState, State, VersionState
from keys.models import KeyVersion
from keys.ring.invocations import InvocationCounter, counter_of
from keys.ring.primitives import KeyParts, Kind


@final
class CachedVersion(Confidential):
    """One version, ready to use. Its material is unwrapped at the first use of each mode, and kept as primitives."""

    __slots__ = (
        "_binding",
        "_counter",
        "_id",
        "_lock",
        "_modes",
        "_parts",
        "_primitives",
        "_wrapped",
        "created_at",
        "number",
        "state",
    )

    def __init__(self, row: KeyVersion) -> None:
        """``row`` includes its key, and both MACs have been checked."""
        self.number: int = row.version
        self.state = VersionState(row.state)
        self.created_at = row.created_at
        self._id = row.pk
        self._wrapped = row.wrapped_key
        self._binding = (row.key.id, row.key.algorithm, row.key.purpose)
        self._modes = tuple(row.key.modes)
        public_key = None if row.public_key is None else bytes(row.public_key)
        self._parts = KeyParts(row.key.algorithm, self._unwrap, public_key)
        self._primitives: dict[tuple[Hashable, str], Any] = {}
        self._counter: InvocationCounter | None = None
        self._lock = Lock()

    def primitive[M: Mode, P](self, build: Kind[M, P], mode: M) -> P:
        """A primitive of ``keys.ring.primitives``. Raises UnsupportedAlgorithm if the key may not use the mode; UnwrapFailed."""
        primitive: P | None = self._primitives.get((build, mode.name))
        return primitive if primitive is not None else self._build(build, mode)

    def cached_primitive[M: Mode, P](self, build: Kind[M, P], mode: M) -> P | None:
        """As ``primitive``, but None if it is not in memory."""
        return self._primitives.get((build, mode.name))

    def reserve_invocations(self, mode: SealingMode | TransitMode, count: int) -> None:
        """Count ``count`` messages *before* they are sealed. Raises UsageLimitReached.

        All modes of a version share one counter, which is stricter than their separate subkeys require.
        """
        if mode.invocation_limit is not None:
            self._invocations.take(mode.invocation_limit, count)

    def prepare_invocations(self, mode: SealingMode | TransitMode, count: int) -> None:
        """Reserve ``count`` invocations for ``reserve_cached_invocations``. Raises UsageLimitReached."""
        if mode.invocation_limit is not None:
            self._invocations.prepare(mode.invocation_limit, count)

    def reserve_cached_invocations(self, mode: SealingMode | TransitMode, count: int) -> bool:
        """Count messages using invocations already reserved by this process. False if that would need the database."""
        limit = mode.invocation_limit
        return limit is None or (self._counter or self._invocations).take_reserved(limit, count)

    @property
    def _invocations(self) -> InvocationCounter:
        counter = self._counter
        if counter is None:
            counter = self._counter = counter_of(self._id)
        return counter

    def stream_cipher(self) -> StreamCipher:
        """The cipher for streams. They use AES-256-GCM in chunks, so the key must allow that mode.

        Raises UnsupportedAlgorithm; UnwrapFailed.
        """
        if "aes-256-gcm" not in self._modes:
            raise UnsupportedAlgorithm(
                f"A key of the type {self._parts.algorithm} encrypts no streams. Use a key of the type aes-256."
            )
        return StreamCipher(self._unwrap())

    def _build[M: Mode, P](self, build: Kind[M, P], mode: M) -> P:
        self.require_mode(mode)
        with self._lock:
            kind = (build, mode.name)
            if kind not in self._primitives:
                self._primitives[kind] = build(self._parts, mode)
            built: P = self._primitives[kind]
            return built

    def require_mode(self, mode: Mode) -> None:
        """Raises UnsupportedAlgorithm for a mode that is not one of the key."""
        if mode.name in self._modes:
            return
        purpose = self._binding[2]
        if purpose != mode.purpose:
            raise UnsupportedAlgorithm(
                f"The purpose of this key is {purpose}. Use a key whose purpose is {mode.purpose}."
            )
        raise UnsupportedAlgorithm(
            f"A key of the type {self._parts.algorithm} does not support {mode.name}, only: "
            f"{', '.join(self._modes)}.",
            field=mode.field,
        )

    def _unwrap(self) -> KeyMaterial:
        if not self._wrapped.wrapped and self.state is not VersionState.DESTROYED:  # its MAC has been checked
            raise PrivateKeyMissing
        key_id, algorithm, purpose = self._binding
        return wrapped_material.open_wrapped(
            self._wrapped, key_id=key_id, version=self.number, algorithm=algorithm, purpose=purpose
        )


@final
@dataclass(frozen=True, slots=True)
class CachedKey:
    """A key as of ``stamp`` or later. Times are aware UTC.

    ``policy_modes``: the modes in which its policy allows encryption, None without a policy. ``grace``: how long a
    version decrypts after its replacement, None without end; afterwards it can only be re-encrypted, if
    ``reencrypts_after_grace``. ``is_default``: its owner uses it if they name no key. ``protects``: as of ``KeyAlgorithm``. ``has_private_key``: False if only the public key
    was imported. ``references``: the texts that name it. ``min_encryption_version``: of a transit key, 0 for the minimum decryption version.
    """

    key_id: UUID
    name: str
    algorithm: str
    purpose: str
    modes: tuple[str, ...]
    state: State
    activates_at: datetime | None
    expires_at: datetime | None
    resumes_at: datetime | None
    owner: Identity
    grants: Mapping[str, Sequence[Grant]]
    primary_version: int
    min_decryption_version: int
    successor_id: UUID | None
    policy_modes: tuple[str, ...] | None
    grace: timedelta | None
    reencrypts_after_grace: bool
    versions: Mapping[int, CachedVersion] = field(repr=False)
    stamp: EpochStamp
    is_default: bool = False
    protects: bool = True
    has_private_key: bool = True
    references: tuple[str, ...] = ()
    min_encryption_version: int = 0
    # Derived from this entry by its users, and dropped with it.
    permits: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def protected_id(self) -> UUID:
        return self.key_id

    def lifecycle_state(self, now: datetime) -> LifecycleState:
        return lifecycle.lifecycle_state(self.state, self.activates_at, self.expires_at, now, self.resumes_at)

    @property
    def clock_start(self) -> datetime | None:
        """When the clock makes the stored state active; None if it never does."""
        return {State.PRE_ACTIVATION: self.activates_at, State.SUSPENDED: self.resumes_at}.get(self.state)

    @property
    def protecting_modes(self) -> tuple[str, ...]:
        """The modes in which the key may encrypt. The first is the default."""
        if self.policy_modes is None:
            return self.modes
        return tuple(mode for mode in self.modes if mode in self.policy_modes)

    def require_protect(self, now: datetime) -> CachedVersion:
        """The version that encrypts. Raises KeyNotActive, CannotProtect."""
        if not self.protects:
            raise CannotProtect(self.algorithm)
        lifecycle.require_protect(self.lifecycle_state(now), self.successor_id)
        return self.versions[self.primary_version]

    def require_allowed(self, mode: Mode) -> None:
        """Raises PolicyViolated if the policy excludes the mode from protection."""
        if self.policy_modes is not None and mode.name in self.modes and mode.name not in self.policy_modes:
            raise PolicyViolated(
                f"The key's policy does not allow {mode.name}. "
                f"Use one of: {', '.join(self.protecting_modes) or 'none'}."
            )

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
            raise self._not_usable(at, f"Version {version} of this key is {entry.state.word}.")
        if version < self.min_decryption_version:
            raise self._not_usable(
                at, f"The minimum version is {self.min_decryption_version}, not {version}."
            )
        end = self.grace_end(version, for_reencryption=for_reencryption)
        if end is not None and end <= now:
            raise self.grace_has_ended(version, now)
        return entry

    def processing_versions(self, now: datetime, *, for_reencryption: bool = False) -> list[CachedVersion]:
        """The versions that may decrypt, newest first. Raises KeyNotUsable if the key itself may not."""
        lifecycle.require_process(self.lifecycle_state(now), for_reencryption=for_reencryption)
        return [
            self.versions[number]
            for number in sorted(self.versions, reverse=True)
            if self.may_process(number, now, for_reencryption=for_reencryption)
        ]

    def grace_end(self, version: int, *, for_reencryption: bool = False) -> datetime | None:
        """The time at which a replaced version stops decrypting; None: never."""
        replacement = self.versions.get(version + 1)
        if replacement is None or self.grace is None or (for_reencryption and self.reencrypts_after_grace):
            return None
        return replacement.created_at + self.grace

    def grace_has_ended(self, version: int, now: datetime) -> KeyNotUsable:
        """The refusal of a version after ``grace_end``."""
        return self._not_usable(
            self.lifecycle_state(now),
            f"Version {version} was replaced, and the grace period of the key's policy has ended.",
        )

    def may_process(self, number: int, now: datetime, *, for_reencryption: bool = False) -> bool:
        """Whether the version may decrypt, if its key may."""
        end = self.grace_end(number, for_reencryption=for_reencryption)
        return (
            self.versions[number].state is VersionState.ENABLED
            and number >= self.min_decryption_version
            and (end is None or end > now)
        )

    def _not_usable(self, at: LifecycleState, detail: str) -> KeyNotUsable:
        return KeyNotUsable(detail, extra=at.facts())
