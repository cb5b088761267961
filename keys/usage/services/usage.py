"""The use of a key within a period, by version and caller, from the roll-ups of the log."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from audit.log.canonical import format_timestamp
from audit.usage.of_key import (
    EVERYTHING,
    UNNAMED,
    VersionTotal,
    end_of_gap,
    totals_by_caller,
    totals_by_version,
)
from audit.usage.queries import newest_use
from audit.usage.sums import HOUR, Span, step_of
from kernel.clock import process_now
from kernel.crypto.algorithms import is_deterministic
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.transit_types import type_of
from keys.impact import PROTECTED
from keys.models import Key, KeyVersion
from keys.reading.services import get_key
from keys.usage.services.callers import CallerUses, by_action, callers_shown_to, unrecorded_before

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366
MAX_VERSIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """The messages that a version may encrypt, and how many of them processes have reserved."""

    reserved: int
    limit: int

    @property
    def used_share(self) -> float:
        return self.reserved / self.limit

    @property
    def remaining_share(self) -> float:
        return max(0.0, 1 - self.used_share)

    @property
    def is_half_used(self) -> bool:
        return 2 * self.reserved > self.limit


@dataclass(frozen=True, slots=True)
class VersionUse:
    """The use of one version: messages encrypted, and other operations.

    ``share`` is the version's part of the processed messages of all versions, from 0 to 1.
    """

    protected: int = 0
    processed: int = 0
    share: float = 0.0
    last_at: datetime | None = None

    @property
    def count(self) -> int:
        return self.protected + self.processed


_NO_USE: Final = VersionUse()


@dataclass(frozen=True, slots=True)
class VersionUses:
    """The use of all versions. ``unnamed``: messages processed in batches that name no version.

    ``safe_minimum`` is the highest minimum version that would have denied nothing. None if such a batch
    exists, because it may have used any version. ``unrecorded_before``: the end of a gap in the record of the period.
    """

    by_version: Mapping[int, VersionUse]
    unnamed: int
    safe_minimum: int | None
    unrecorded_before: datetime | None = None

    def of(self, version: int) -> VersionUse:
        return self.by_version.get(version, _NO_USE)


@dataclass(frozen=True, slots=True)
class _ListedVersion:
    row: KeyVersion
    use: VersionUse
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class UseRecord:
    """The last use of a key, and the time from which on its record has no gap: its creation, or a restore."""

    last_at: datetime | None
    since: datetime
    is_whole: bool

    @property
    def last_used(self) -> str:
        """The time, ``never``, or ``no record since`` a time."""
        if self.last_at is not None:
            return format_timestamp(self.last_at)
        return "never" if self.is_whole else f"no record since {format_timestamp(self.since)}"


@dataclass(frozen=True, slots=True)
class _KeyUsage:
    """The successful operations with a key since ``since``. ``budget`` is that of the primary version."""

    key_id: UUID
    since: datetime
    record: UseRecord
    by_action: Mapping[str, int]
    uses: VersionUses
    versions: Sequence[_ListedVersion]
    callers: CallerUses
    budget: Budget | None

    @property
    def count(self) -> int:
        return sum(self.by_action.values())


def read_usage(*, principal: Principal, key_id: UUID, days: int = DEFAULT_DAYS) -> _KeyUsage:
    """The use of a visible key in the last ``days`` times 24 hours.

    The versions are those that were used, the newest ``MAX_VERSIONS``, and the primary one. Raises Denied, NotFound.
    """
    principal.require("keys.read")
    key = get_key(principal=principal, key_id=key_id)
    since = start_of(days)
    totals = totals_by_version(key.id, since)
    uses = _uses(key, totals)
    numbers = {key.primary_version, *sorted(uses.by_version)[-MAX_VERSIONS:]}
    rows = key.versions.filter(version__in=numbers).order_by("-version")
    versions = [_ListedVersion(row, uses.of(row.version), budget_of(key, row)) for row in rows]
    return _KeyUsage(
        key_id=key.id,
        since=since,
        record=read_record(key),
        by_action=by_action(totals),
        uses=uses,
        versions=versions,
        callers=callers_shown_to(principal, key, totals_by_caller(key.id, since, EVERYTHING)),
        budget=next((each.budget for each in versions if each.row.version == key.primary_version), None),
    )


def version_uses(key: Key) -> VersionUses:
    """The use of all versions of a visible key in the last 30 days. One statement."""
    since, missing = start_of(DEFAULT_DAYS), unrecorded_before(key, end_of_gap())
    uses = _uses(key, totals_by_version(key.id, since))
    return replace(uses, unrecorded_before=missing if missing and missing > since else None)


def read_record(key: Key) -> UseRecord:
    last, gap = newest_use(key.id), end_of_gap()
    missing = unrecorded_before(key, gap)
    return UseRecord(last.last_at if last else None, missing or key.created_at, missing is None)


def primary_budget(key: Key) -> Budget | None:
    """The budget of the primary version of a visible key; None if no mode of the key has a limit."""
    if _limit(key) is None:
        return None
    return budget_of(key, key.versions.get(version=key.primary_version))


def budget_of(key: Key, version: KeyVersion) -> Budget | None:
    limit = _limit(key)
    return None if limit is None else Budget(version.uses_reserved, limit)


def names_versions(key: Key) -> bool:
    """Whether requests may protect with an earlier version than the primary one."""
    return key.purpose == "transit" or is_deterministic(key.algorithm)


def start_of(days: int) -> datetime:
    """The first hour of the last ``days`` times 24 hours, as the figures of 24 hours count them.

    If the roll-ups of that time may be days, the start of its day (UTC).
    """
    now = process_now()
    since = Span.until(now, HOUR, 24 * days).since
    return Span.until(since, step_of(since, now), 1).since


def _limit(key: Key) -> int | None:
    transit = type_of(key.algorithm)
    modes = transit.modes.values() if transit else filter(None, map(SEALING_MODES.get, key.modes))
    limits = (mode.invocation_limit for mode in modes)
    return min((limit for limit in limits if limit is not None), default=None)


def _uses(key: Key, totals: Sequence[VersionTotal]) -> VersionUses:
    protected: Counter[int] = Counter()
    processed: Counter[int] = Counter()
    last: dict[int, datetime] = {}
    for total in totals:
        counts = protected if total.operation.endswith(PROTECTED) else processed
        counts[total.version] += total.count
        last[total.version] = max(total.last_at, last.get(total.version, total.last_at))
    everything = processed.total()
    by_version = {
        each: VersionUse(
            protected[each], processed[each], processed[each] / everything if everything else 0.0, last[each]
        )
        for each in last
        if each != UNNAMED
    }
    needed = {*processed, *(protected if names_versions(key) else ()), key.primary_version}
    allowed = [version for version in needed if version >= key.min_decryption_version]
    return VersionUses(by_version, processed[UNNAMED], None if UNNAMED in needed else min(allowed))
