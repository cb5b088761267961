"""The context of one decision: the caller, and each key that was read for it."""

from collections.abc import Callable, Hashable
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from accounts.authorization import authorize
from accounts.principals import Principal
from accounts.roles import word_of
from audit.commit.decisions import Deadline, Grounds
from kernel import throttle
from kernel.clock import process_now
from kernel.crypto.modes import Mode, SealingMode, TransitMode
from kernel.errors import Denied
from kernel.freshness.stamps import EpochStamp
from keys.creation.services import find_default
from keys.references import KeyReference
from keys.ring import keyring
from keys.ring.cached_keys import CachedKey, CachedVersion
from keys.ring.primitives import Kind

MAX_PERMITS: Final = 1000  # of one key


class CacheMiss(Exception):
    """The cache cannot decide. ``load`` reads the missing data, in a thread; ``missing`` identifies it."""

    def __init__(self, missing: Hashable, load: Callable[[], object]) -> None:
        super().__init__(missing)
        self.missing = missing
        self.load = load


class UnknownCost(Exception):
    """The cost of this decision is high or not known in advance, so the event loop must not make it."""


def _not_granted(permission: str, rule: str) -> Denied:
    """The refusal of an operation with a key that the caller may see."""
    return Denied(
        f"You need a grant for {word_of(permission)} on this key.",
        extra={"permission": permission, "rule": rule},
    )


type Use[M: Mode] = tuple[str, KeyReference | None, M | None, int | None]
"""The action, the key (None: the default key), the mode (None: the only one) and the version (None: the primary one)."""


class Permit[P](Struct, frozen=True, eq=False, kw_only=True):
    """One caller's use of one version of a key in one mode: decided once, for any message, while the grounds hold."""

    entry: CachedKey
    version: CachedVersion
    mode: Any  # a Mode of the operation
    primitive: P
    grounds: Grounds


class DecisionContext:
    """Decides an operation, with database reads on cache misses."""

    def __init__(self, principal: Principal, request_id: str = "") -> None:
        """``request_id``: for a principal from a cache, whose actor has none."""
        self.principal = principal
        self.request_id = request_id
        self.used: list[CachedKey] = []
        self.seen: list[CachedKey] = []  # without a use, so their state and times do not limit the decision
        self.deadlines: list[Deadline] = []

    def recall(self, _use: Use[Mode]) -> Permit[Any] | None:
        """The permit of an earlier decision, if there is one."""
        return None

    def remember[P](self, _use: Use[Mode], permit: Permit[P]) -> Permit[P]:
        """Keep the permit for later decisions, if there can be any. Returns it."""
        return permit

    def find(self, reference: KeyReference, permission: str) -> CachedKey:
        """Find a key as ``keyring.find`` does, for an operation, and record it as part of the decision.

        Raises also Denied.
        """
        return self._use(keyring.find(reference, self.principal), permission)

    def see(self, key_id: UUID) -> CachedKey:
        """Find a key that the caller may see, and record it as part of the decision. Raises NotFound."""
        entry = keyring.find(key_id, self.principal)
        self.seen.append(entry)
        return entry

    def find_default(self, algorithm: str, permission: str) -> CachedKey:
        return self._use(find_default(self.principal, algorithm), permission)

    def authorize(self, entry: CachedKey, permission: str) -> None:
        """Raises Denied unless the principal may do this with the key."""
        verdict = authorize(
            self.principal, permission, entry, now=process_now(), client_ip=self.principal.actor.client_ip
        )
        if not verdict.is_allowed:
            raise _not_granted(permission, verdict.rule)
        if verdict.ends_at is not None:
            error = partial(_not_granted, permission, verdict.rule)
            self.deadlines.append(Deadline(verdict.ends_at, error))

    def require_process(
        self, entry: CachedKey, number: int, now: datetime, *, for_reencryption: bool = False
    ) -> CachedVersion:
        """The version, which may decrypt until the grace period of the policy ends. Raises NotFound, KeyNotUsable."""
        version = entry.require_process(number, now, for_reencryption=for_reencryption)
        self.note_grace(entry, version, for_reencryption=for_reencryption)
        return version

    def note_grace(self, entry: CachedKey, version: CachedVersion, *, for_reencryption: bool = False) -> None:
        """Limit the decision to the version's grace period."""
        end = entry.grace_end(version.number, for_reencryption=for_reencryption)
        if end is not None:
            self.deadlines.append(Deadline(end, partial(entry.grace_has_ended, version.number, end)))

    def admit_slow(self) -> None:
        """Called before an operation is decided that takes about a millisecond or more."""

    def charge(self, cost: int) -> None:
        """Charge the principal for work beyond that of one request. Raises Throttled."""
        throttle.charge_principal(self.principal.identity.budget, cost=cost)

    def primitive[M: Mode, P](self, version: CachedVersion, build: Kind[M, P], mode: M) -> P:
        """A primitive of ``keys.ring.primitives``. Raises UnsupportedAlgorithm if the key may not use the mode; UnwrapFailed."""
        return version.primitive(build, mode)

    def reserve(self, version: CachedVersion, mode: SealingMode | TransitMode, count: int = 1) -> None:
        """Account for messages that are about to be sealed. Raises UsageLimitReached."""
        version.reserve_invocations(mode, count)

    @property
    def stamps(self) -> tuple[EpochStamp, ...]:
        known = () if self.principal.stamp is None else (self.principal.stamp,)
        return (*known, *[entry.stamp for entry in (*self.used, *self.seen)])

    def _use(self, entry: CachedKey, permission: str) -> CachedKey:
        self.used.append(entry)
        self.authorize(entry, permission)
        return entry


class CachedDecisionContext(DecisionContext):
    """Decides from memory only, as an event loop must. Raises CacheMiss on a cache miss, and UnknownCost.

    A key that leaves the keyring takes its permits with it, so they never outlast its material.
    """

    def recall(self, use: Use[Mode]) -> Permit[Any] | None:
        action, reference, mode, version = use
        if reference is None and isinstance(mode, SealingMode):
            reference = keyring.cached_default_id(self.principal, mode.key_algorithm)
        if reference is None:
            return None
        return keyring.find_permit(reference, (self.principal, action, mode and mode.name, version))

    def remember[P](self, use: Use[Mode], permit: Permit[P]) -> Permit[P]:
        action, _, mode, version = use
        permits = permit.entry.permits
        if len(permits) >= MAX_PERMITS:
            permits.clear()
        permits[self.principal, action, mode and mode.name, version] = permit
        return permit

    def admit_slow(self) -> None:
        raise UnknownCost

    def charge(self, cost: int) -> None:
        raise UnknownCost(cost)

    def find(self, reference: KeyReference, permission: str) -> CachedKey:
        entry = keyring.find_cached(reference, self.principal)
        if entry is None:
            # Each credential loads for itself: a caller without reach does not wait for the load of one who has it.
            missing = (reference, self.principal.credential_id)
            raise CacheMiss(missing, lambda: keyring.find(reference, self.principal))
        return self._use(entry, permission)

    def find_default(self, algorithm: str, permission: str) -> CachedKey:
        key_id = keyring.cached_default_id(self.principal, algorithm)
        if key_id is None:
            owned = (self.principal.identity, algorithm)
            raise CacheMiss(owned, lambda: find_default(self.principal, algorithm))
        return self.find(key_id, permission)

    def primitive[M: Mode, P](self, version: CachedVersion, build: Kind[M, P], mode: M) -> P:
        primitive = version.cached_primitive(build, mode)
        if primitive is None:
            raise CacheMiss((version, build, mode), lambda: version.primitive(build, mode))
        return primitive

    def reserve(self, version: CachedVersion, mode: SealingMode | TransitMode, count: int = 1) -> None:
        if not version.reserve_cached_invocations(mode, count):
            raise CacheMiss(version, lambda: version.prepare_invocations(mode, count))


class FreshDecisionContext(CachedDecisionContext):
    """For requests that permits of earlier decisions did not serve."""

    def recall(self, _use: Use[Mode]) -> Permit[Any] | None:
        return None
