"""Operations that a key action denies, as a table. No clock, no database."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from audit.usage.of_key import EVERYTHING, Selection

ENCRYPTED: Final = ".encrypted"
GENERATED: Final = ".generated"  # data keys, which the key encrypts
# The ends of the names of operations that protect and process. Re-encryptions, derivations and agreements have neither:
# they count for the version that they use, which may be an earlier one.
PROTECTED: Final = (ENCRYPTED, GENERATED, ".signed", ".computed", ".encapsulated")
PROCESSED: Final = (".decrypted", ".verified", ".decapsulated")


class KeyAction(StrEnum):
    """The actions on a key, in the words of URLs."""

    ROTATE = "rotate"
    DISABLE = "disable"
    REVOKE = "revoke"
    MARK_COMPROMISED = "mark-compromised"
    SCHEDULE_DELETION = "schedule-deletion"
    RAISE_MINIMUM = "raise-minimum"
    DISABLE_VERSION = "disable-version"
    SCHEDULE_DESTRUCTION = "schedule-destruction"


class Advice(StrEnum):
    """The result of a forecast in one word. ``NO_RECORD``: no use is known, but the record does not cover the period."""

    NO_EFFECT = "no_effect"
    IN_USE = "in_use"
    UNUSED = "unused"
    NO_RECORD = "no_record"


@dataclass(frozen=True, slots=True)
class StoppedVersions:
    """The first and the last version that can no longer decrypt or verify."""

    first: int
    last: int


OF_ONE_VERSION: Final = frozenset({KeyAction.DISABLE_VERSION, KeyAction.SCHEDULE_DESTRUCTION})
# The key still decrypts or verifies after these.
_KEEP_PROCESSING: Final = frozenset({KeyAction.ROTATE, KeyAction.REVOKE})


def affected(action: KeyAction, number: int, *, minimum: int, names_versions: bool) -> Selection | None:
    """The operations that the action denies; None if there are none.

    ``number`` is the new minimum version, or the version that the action concerns; other actions ignore it. ``minimum``
    is the present one. ``names_versions``: whether requests may protect with an earlier version than the primary one.
    """
    spared = () if names_versions else PROTECTED
    match action:
        case KeyAction.ROTATE:
            return None
        case KeyAction.REVOKE:
            # A re-encryption counts, because its target is the key itself unless the caller names another.
            return Selection(spared=PROCESSED)
        case KeyAction.RAISE_MINIMUM:
            return Selection(spared, first=minimum, last=number - 1) if number > minimum else None
        case KeyAction.DISABLE_VERSION | KeyAction.SCHEDULE_DESTRUCTION:
            return Selection(spared, first=number, last=number)
        case _:
            return EVERYTHING


def stopped_versions(
    action: KeyAction, number: int, *, minimum: int, primary_version: int
) -> StoppedVersions | None:
    """The versions that the action stops; None if it stops none. The numbers are those of ``affected``."""
    if action in _KEEP_PROCESSING:
        return None
    if action is KeyAction.RAISE_MINIMUM:
        return StoppedVersions(minimum, number - 1) if number > minimum else None
    if action in OF_ONE_VERSION:
        return StoppedVersions(number, number)
    return StoppedVersions(minimum, primary_version)
