"""The keys this process is using, in memory: once a key is warm, using it asks the database nothing.

An entry carries the epoch of its key (``audit.stamps``), read *before* its rows. Whoever decides by it hands that
to ``audit.writer.commit``, which refuses the decision if the key has changed since: so a disabled or revoked
key is never used again, in any process, however warm its entry is. Entries that nobody used for a minute are
dropped, and with them their unwrapped material.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock, Thread
from types import MappingProxyType
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.epoch import read_epoch, read_stamp, renew_stamps
from audit.stamps import EpochStamp
from ciphercanary.errors import NotFound
from ciphercanary.row_mac import IntegrityFailed
from keys import services
from keys.entries import KeyEntry, VersionEntry, key_entity, key_of
from keys.lifecycle import State
from keys.models import Key, KeyVersion
from keys.references import PREFIX, KeyReference

MAX_ENTRIES: Final = 10_000
MAX_UNUSED: Final = 60.0  # seconds
SWEEP_INTERVAL: Final = 5.0  # seconds


def find(reference: KeyReference, principal: Principal) -> KeyEntry:
    """The key, if the principal may see it; nothing is said about its state.

    Raises NotFound and, where a row was altered, IntegrityFailed.
    """
    if isinstance(reference, str):
        return _find_named(reference, principal)
    return _find(reference, principal)


def _find_named(name: str, principal: Principal) -> KeyEntry:
    entry = _held_named(name, principal)
    if entry is None:
        entry = _find(services.id_of_key(principal=principal, reference=name), principal)
    return entry


def _find(key_id: UUID, principal: Principal) -> KeyEntry:
    entry = _entries.get(key_id, principal)
    if entry is None:
        entry = _load(key_id)
        _entries.put(entry)
        _check_visible(entry, principal)
    return entry


def _check_visible(entry: KeyEntry, principal: Principal) -> None:
    if not entry.is_visible_to(principal):
        raise NotFound


def find_held(reference: KeyReference, principal: Principal) -> KeyEntry | None:
    """As ``find``, from memory alone: None where the key would have to be read. Raises NotFound."""
    if isinstance(reference, str):
        return _held_named(reference, principal)
    return _entries.get(reference, principal)


def _held_named(name: str, principal: Principal) -> KeyEntry | None:
    # The entry itself says that this key has this name: the name is under its MAC, and the commit compares its
    # stamp. An invisible key counts as not held, so that its name costs what an unknown name costs.
    with suppress(NotFound):
        return _entries.get_named(name, principal)
    return None


def held_default_id(principal: Principal, algorithm: str) -> UUID | None:
    """The id of the principal's default key, where this process knows it."""
    return _default_ids.get((principal.user_id, algorithm))


def find_default(principal: Principal, algorithm: str) -> KeyEntry:
    """The principal's default key of a key algorithm, created on first use. Raises Invalid, UnsupportedAlgorithm."""
    owned = (principal.user_id, algorithm)
    key_id = _default_ids.get(owned)
    if key_id is None:
        key_id = services.default_key(principal, algorithm).id
        if len(_default_ids) >= MAX_ENTRIES:
            _default_ids.clear()
        _default_ids[owned] = key_id  # for good: which key is the default never changes
    return find(key_id, principal)


def forget_all() -> None:
    """Drop everything."""
    _entries.clear()
    _default_ids.clear()


def forget(entities: Iterable[str]) -> None:
    """Drop the keys among the entities: they have changed, and the next use reads them anew."""
    _entries.drop(entities)


def find_current(key_id: UUID, principal: Principal) -> KeyEntry:
    """As ``find``, for an answer that no commit will check: the entry is compared with the database first."""
    entry = find(key_id, principal)
    stale = renew_stamps([entry.stamp], read_epoch())
    if not stale:
        return entry
    forget(stale)
    return find(key_id, principal)


def _load(key_id: UUID) -> KeyEntry:
    # Before the rows: read after them, the epoch could be newer than what it vouches for.
    stamp = read_stamp(key_entity(key_id))
    # One statement, one snapshot: in two, a rotation between them would look like an altered row.
    rows = list(KeyVersion.objects.filter(key_id=key_id).select_related("key").order_by("version"))
    if not rows:
        raise NotFound
    key = rows[0].key.check_mac()
    for row in rows:
        row.check_mac()
    if [row.version for row in rows] != list(range(1, key.primary_version + 1)):
        raise IntegrityFailed("Key versions are missing. Restore the database from a backup.")
    return _entry(key, rows, stamp)


def _entry(key: Key, rows: list[KeyVersion], stamp: EpochStamp) -> KeyEntry:
    return KeyEntry(
        key_id=key.id,
        name=key.name,
        algorithm=key.algorithm,
        purpose=key.purpose,
        modes=tuple(key.modes),
        state=State(key.state),
        activates_at=key.activates_at,
        expires_at=key.expires_at,
        created_by=key.created_by_id,
        primary_version=key.primary_version,
        versions=MappingProxyType({row.version: VersionEntry(row) for row in rows}),
        stamp=stamp,
    )


class _Entries:
    """At most ``MAX_ENTRIES`` keys, the least recently used of them going first, and none of them idle for long."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[UUID, tuple[KeyEntry, float]] = OrderedDict()
        self._ids: dict[str, UUID] = {}  # of the keys that are held, by name with the prefix
        self._sweeper: Thread | None = None

    def get(self, key_id: UUID, principal: Principal) -> KeyEntry | None:
        """Only a principal that may see the key keeps it from being dropped. Raises NotFound for any other."""
        with self._lock:
            held = self._held.get(key_id)
            if held is None:
                return None
            _check_visible(held[0], principal)
            self._held[key_id] = (held[0], time.monotonic())
            self._held.move_to_end(key_id)
            return held[0]

    def get_named(self, name: str, principal: Principal) -> KeyEntry | None:
        """As ``get``, by the name with its prefix."""
        key_id = self._ids.get(name)
        return None if key_id is None else self.get(key_id, principal)

    def put(self, entry: KeyEntry) -> None:
        with self._lock:
            self._held[entry.key_id] = (entry, time.monotonic())
            self._held.move_to_end(entry.key_id)
            self._ids[PREFIX + entry.name] = entry.key_id
            if len(self._held) > MAX_ENTRIES:
                self._remove(next(iter(self._held)))
            self._keep_sweeping()

    def drop(self, entities: Iterable[str]) -> None:
        with self._lock:
            for key_id in filter(None, map(key_of, entities)):
                self._remove(key_id)

    def drop_unused(self, now: float) -> None:
        """Drop what was last used ``MAX_UNUSED`` seconds before ``now``, by the monotonic clock, or earlier."""
        with self._lock:
            unused = [key_id for key_id, (_, used) in self._held.items() if now - used >= MAX_UNUSED]
            for key_id in unused:
                self._remove(key_id)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
            self._ids.clear()

    def _remove(self, key_id: UUID) -> None:
        held = self._held.pop(key_id, None)
        if held is not None:
            self._ids.pop(PREFIX + held[0].name, None)

    def _keep_sweeping(self) -> None:
        # A thread, because a process that has become idle calls nothing. It ends when nothing is left to drop;
        # after a fork it is not alive and is started anew.
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = Thread(target=self._sweep, name="keyring-sweeper", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        while True:
            time.sleep(SWEEP_INTERVAL)
            self.drop_unused(time.monotonic())
            with self._lock:
                if not self._held:
                    self._sweeper = None
                    return


_entries: Final = _Entries()
_default_ids: Final[dict[tuple[UUID | None, str], UUID]] = {}
