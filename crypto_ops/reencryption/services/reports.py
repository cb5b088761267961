"""The report of a re-encryption job: its progress by source version, and the old versions that are still in use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.usage.of_key import UNNAMED, totals_by_version
from crypto_ops import actions
from crypto_ops.models import Reencryption
from keys.lifecycle import VersionState
from keys.usage.services.usage import DEFAULT_DAYS, MAX_VERSIONS, start_of

_DECRYPTIONS: Final = (actions.MESSAGE_DECRYPTED, actions.STREAM_DECRYPTED)


@dataclass(frozen=True, slots=True)
class VersionReport:
    """One source version: the items that the job re-encrypted and refused, and the last decryption in the period."""

    version: int
    state: str
    reencrypted: int
    refused: int
    last_used: datetime | None
    is_left: bool

    @property
    def state_word(self) -> str:
        """The word for people."""
        return VersionState(self.state).word


@dataclass(frozen=True, slots=True)
class ReencryptionReport:
    """The source versions with items or decryptions since ``since``, newest first, at most ``MAX_VERSIONS``.

    ``left`` are the numbers of the versions that the job replaces, that are enabled, and that decrypted since
    ``since``. ``unnamed_last_used`` is the last decryption of a batch with several versions, which may have used any.
    """

    since: datetime
    versions: Sequence[VersionReport]
    unnamed_last_used: datetime | None

    @property
    def left(self) -> Sequence[int]:
        return [version.version for version in self.versions if version.is_left]


def read_report(job: Reencryption) -> ReencryptionReport:
    """The report of a job that the caller may see. ``since``: 30 days ago, or the beginning of the job if earlier.

    Two statements. Re-encryptions are no decryptions, as a row that was re-encrypted is not left.
    """
    since = min(start_of(DEFAULT_DAYS), job.created_at)
    last = _last_decryptions(job, since)
    unnamed = last.pop(UNNAMED, None)
    numbers = sorted({*last, *map(int, job.versions)})[-MAX_VERSIONS:]
    states = dict(job.key.versions.filter(version__in=numbers).values_list("version", "state"))
    versions = [
        _report(job, number, states[number], last) for number in reversed(numbers) if number in states
    ]
    return ReencryptionReport(since, versions, unnamed)


def _last_decryptions(job: Reencryption, since: datetime) -> dict[int, datetime]:
    last: dict[int, datetime] = {}
    for total in totals_by_version(job.key_id, since):
        if total.operation in _DECRYPTIONS:
            last[total.version] = max(total.last_at, last.get(total.version, total.last_at))
    return last


def _report(job: Reencryption, number: int, state: str, last: Mapping[int, datetime]) -> VersionReport:
    keeps_version = job.target_key_id == job.key_id and number >= job.key.primary_version
    is_left = number in last and state == VersionState.ENABLED and not keeps_version
    return VersionReport(
        version=number, state=state, last_used=last.get(number), is_left=is_left, **job.counts_of(number)
    )
