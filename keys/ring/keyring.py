"""In-memory cache of the keys that this process uses. Using a cached key needs no database query.

An entry carries the epoch of its key (``kernel.freshness.stamps``), read *before* its rows. Code that decides by an
entry passes that epoch to ``audit.commit.writer.commit``, which refuses the decision if the key has changed since. A
disabled or revoked key is therefore never used again, in any process, even if it is cached. Entries that were not used
for a minute are dropped together with their unwrapped material.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any, Final
from uuid import UUID

from accounts.authorization import is_within_reach
from accounts.principals import Principal
from kernel.clock import process_now
from kernel.freshness.epoch import read_epoch, renew_stamps
from kernel.identities import Identity
from kernel.runtime import ProcessState
from keys.entities import is_shared, key_of
from keys.reach import out_of_reach
from keys.references import KeyReference
from keys.ring import key_loading
from keys.ring.cached_keys import CachedKey
from keys.ring.key_loading import load_key

MAX_ENTRIES: Final = 10_000
MAX_UNUSED: Final = 60.0  # seconds
_SWEEP_INTERVAL: Final = 5.0  # seconds
_LEAST_UNUSED: Final = 1.0  # seconds between two marks of an entry as used


def find(reference: KeyReference, principal: Principal) -> CachedKey:
    """The key, if it is within the principal's reach. Its state is not checked.

    Raises ``out_of_reach``, and IntegrityFailed if a row was altered.
    """
    entry = find_cached(reference, principal)
    if entry is None:
        # A caller without reach gets no further than this query. So an unknown key and the key of another user, cached
        # or not, cost the same time, and only callers with reach fill the cache.
        entry = load_key(key_loading.id_within_reach(principal=principal, reference=reference))
        if not is_within_reach(principal, entry, process_now()):
            raise out_of_reach(principal, reference)
        _cache.current.put(entry)
    return entry


def find_cached(reference: KeyReference, principal: Principal) -> CachedKey | None:
    """As ``find``, but from memory only: None on a cache miss, and for a key out of reach."""
    # A name needs no query: the key's MAC covers it, and the commit checks the entry's stamp.
    return _cache.current.get(reference, principal)


def find_permit(reference: KeyReference, use: Hashable) -> Any | None:
    """The permit of an earlier decision, in ``permits`` of the key, if both are in memory. Nothing is checked."""
    return _cache.current.get_permit(reference, use)


def cached_default_id(principal: Principal, algorithm: str) -> UUID | None:
    """The ID of the principal's default key, if this process has cached it."""
    if principal.limits is not None:
        return None  # a service token has no default key
    return _cache.current.get_default_id(principal.identity, algorithm)


def keep_default(principal: Principal, algorithm: str, key_id: UUID) -> None:
    """Keep the ID of the principal's default key.

    A succession changes the default key. The commit refuses a decision by the old entry, and ``put`` of the new entry,
    which names the successor, removes this ID.
    """
    default_ids = _cache.current.default_ids
    if len(default_ids) >= MAX_ENTRIES:
        default_ids.clear()
    default_ids[principal.identity, algorithm] = key_id


def forget(entities: Iterable[str]) -> None:
    """Drop changed keys among the entities. The next use reads them again."""
    _cache.current.drop(entities)


def find_current(key_id: UUID, principal: Principal) -> CachedKey:
    """As ``find``, for a response that no commit checks: the entry's epoch is first compared with the database."""
    entry = find(key_id, principal)
    stale = renew_stamps([entry.stamp], read_epoch())
    if not stale:
        return entry
    forget(stale)
    return find(key_id, principal)


@dataclass(slots=True)
class _Slot:
    """``used``: when the entry was last used (monotonic clock)."""

    entry: CachedKey
    used: float


class _KeyCache:
    """An LRU cache of at most ``MAX_ENTRIES`` keys. Idle entries are dropped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cached: OrderedDict[UUID, _Slot] = OrderedDict()
        self._ids: dict[str, UUID] = {}  # of cached keys, by their references
        self.default_ids: dict[tuple[Identity, str], UUID] = {}
        self._sweeper: Thread | None = None
        self._is_closed = Event()

    def get(self, reference: KeyReference, principal: Principal) -> CachedKey | None:
        """The entry, marked as used, if it is within the principal's reach."""
        with self._lock:
            cached = self._find(reference)
            if cached is None or not is_within_reach(principal, cached.entry, process_now()):
                return None
            cached.used = time.monotonic()
            self._cached.move_to_end(cached.entry.key_id)
            return cached.entry

    def get_permit(self, reference: KeyReference, use: Hashable) -> Any | None:
        """The permit, whose entry is marked as used. A caller without a permit keeps no entry in memory."""
        cached = self._find(reference)
        permit = None if cached is None else cached.entry.permits.get(use)
        if cached is None or permit is None:
            return None
        now = time.monotonic()
        if now - cached.used > _LEAST_UNUSED:  # the order need not be exact, and the lock is not free
            with self._lock:
                cached.used = now
                if cached.entry.key_id in self._cached:
                    self._cached.move_to_end(cached.entry.key_id)
        return permit

    def get_default_id(self, owner: Identity, algorithm: str) -> UUID | None:
        """The ID of the default key, if its entry is cached. After a transfer it belongs to someone else."""
        key_id = self.default_ids.get((owner, algorithm))
        cached = None if key_id is None else self._cached.get(key_id)
        is_current = cached is not None and cached.entry.is_default and cached.entry.owner == owner
        return key_id if is_current else None

    def _find(self, reference: KeyReference) -> _Slot | None:
        key_id = self._ids.get(reference) if isinstance(reference, str) else reference
        return None if key_id is None else self._cached.get(key_id)

    def put(self, entry: CachedKey) -> None:
        with self._lock:
            self._cached[entry.key_id] = _Slot(entry, time.monotonic())
            self._cached.move_to_end(entry.key_id)
            self._ids.update(dict.fromkeys(entry.references, entry.key_id))
            self._forget_succeeded(entry)
            if len(self._cached) > MAX_ENTRIES:
                self._remove(next(iter(self._cached)))
            self._keep_sweeping()

    def drop(self, entities: Iterable[str]) -> None:
        with self._lock:
            for entity in entities:
                if (key_id := key_of(entity)) is not None:
                    self._remove(key_id)
                elif is_shared(entity):
                    self._remove_dependent(entity)

    def drop_unused(self, now: float) -> None:
        """Drop entries last used at least ``MAX_UNUSED`` seconds before ``now`` (monotonic clock)."""
        with self._lock:
            unused = [key_id for key_id, cached in self._cached.items() if now - cached.used >= MAX_UNUSED]
            for key_id in unused:
                self._remove(key_id)

    def close(self) -> None:
        self._is_closed.set()

    def _forget_succeeded(self, entry: CachedKey) -> None:
        """The successor may be the default key now."""
        owned = (entry.owner, entry.algorithm)
        if entry.successor_id is not None and self.default_ids.get(owned) == entry.key_id:
            self.default_ids.pop(owned, None)

    def _remove_dependent(self, entity: str) -> None:
        dependent = [key_id for key_id, cached in self._cached.items() if entity in cached.entry.stamp.epochs]
        for key_id in dependent:
            self._remove(key_id)

    def _remove(self, key_id: UUID) -> None:
        cached = self._cached.pop(key_id, None)
        if cached is not None:
            for reference in cached.entry.references:
                self._ids.pop(reference, None)

    def _keep_sweeping(self) -> None:
        # A thread, because an idle process makes no calls. It ends when nothing is left to drop.
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = Thread(target=self._sweep, name="keyring-sweeper", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        while not self._is_closed.wait(_SWEEP_INTERVAL):
            self.drop_unused(time.monotonic())
            with self._lock:
                if not self._cached:
                    self._sweeper = None
                    return


_cache = ProcessState(_KeyCache)
