"""The context of one decision: the caller, and each key that was read for it."""

from collections.abc import Callable, Hashable

from accounts.principals import Principal
from audit.log.events import Actor
from kernel import throttle
from kernel.crypto.aead import Cipher
from kernel.crypto.algorithms import Mode
from kernel.freshness.stamps import EpochStamp
from keys import keyring
from keys.cached_keys import CachedKey, CachedVersion
from keys.references import KeyReference


class CacheMiss(Exception):
    """The cache cannot decide. ``load`` reads the missing data, in a thread; ``missing`` identifies it."""

    def __init__(self, missing: Hashable, load: Callable[[], object]) -> None:
        super().__init__(missing)
        self.missing = missing
        self.load = load


class UnknownCost(Exception):
    """The cost of this decision is not known in advance, so the event loop must not make it."""


class DecisionContext:
    """Decides an operation, with database reads on cache misses."""

    def __init__(self, principal: Principal, actor: Actor | None = None) -> None:
        """``actor``: the principal with the current request's facts, if the principal comes from a cache."""
        self.principal = principal
        self.actor = actor or principal.actor
        self.used: list[CachedKey] = []

    def find(self, reference: KeyReference) -> CachedKey:
        """Find a key as ``keyring.find`` does, and record it as part of the decision."""
        return self._use(keyring.find(reference, self.principal))

    def find_default(self, algorithm: str) -> CachedKey:
        return self._use(keyring.find_default(self.principal, algorithm))

    def charge(self, trials: int) -> None:
        """Charge the principal for trial decryptions with more than one version. Raises Throttled."""
        throttle.charge_principal(self.principal.identity.budget, cost=trials)

    def cipher(self, version: CachedVersion, mode: Mode) -> Cipher:
        """Raises UnsupportedAlgorithm if the key may not use the mode; UnwrapFailed."""
        return version.cipher(mode)

    def reserve(self, version: CachedVersion, mode: Mode, count: int = 1) -> None:
        """Account for messages that are about to be sealed. Raises UsageLimitReached."""
        version.reserve_invocations(mode, count)

    @property
    def stamps(self) -> tuple[EpochStamp, ...]:
        known = () if self.principal.stamp is None else (self.principal.stamp,)
        return (*known, *(entry.stamp for entry in self.used))

    def _use(self, entry: CachedKey) -> CachedKey:
        self.used.append(entry)
        return entry


class CachedDecisionContext(DecisionContext):
    """Decides from memory only, as an event loop must. Raises CacheMiss on a cache miss, and UnknownCost."""

    def charge(self, trials: int) -> None:
        raise UnknownCost(trials)

    def find(self, reference: KeyReference) -> CachedKey:
        entry = keyring.find_cached(reference, self.principal)
        if entry is None:
            raise CacheMiss(reference, lambda: keyring.find(reference, self.principal))
        return self._use(entry)

    def find_default(self, algorithm: str) -> CachedKey:
        key_id = keyring.cached_default_id(self.principal, algorithm)
        if key_id is None:
            owned = (self.principal.identity, algorithm)
            raise CacheMiss(owned, lambda: keyring.find_default(self.principal, algorithm))
        return self.find(key_id)

    def cipher(self, version: CachedVersion, mode: Mode) -> Cipher:
        cipher = version.cached_cipher(mode)
        if cipher is None:
            raise CacheMiss((version, mode), lambda: version.cipher(mode))
        return cipher

    def reserve(self, version: CachedVersion, mode: Mode, count: int = 1) -> None:
        if not version.reserve_cached_invocations(mode, count):
            raise CacheMiss(version, lambda: version.prepare_invocations(mode, count))
