"""The versions of a key and the decisions about it: the user, the time and the reason.

The reason of a rotation is in its row. The log is the only source for changes of state, so their reasons are shown as
far as the reader may read the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from accounts.services.holders import account_names
from audit.services.decisions import RecordedDecision, find_decisions
from keys import actions
from keys.lifecycle import State, VersionState
from keys.models import Key, KeyRotation, KeyVersion

CREATION = "key created"
# The action that brings a key into a state. Expiry and planned activation are no decisions: the clock makes them.
_DECIDING: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.SUSPENDED: actions.KEY_DISABLED,
        State.DEACTIVATED: actions.KEY_REVOKED,
        State.COMPROMISED: actions.KEY_REVOKED,
        State.DELETION_SCHEDULED: actions.KEY_DELETION_SCHEDULED,
        State.DESTROYED: actions.KEY_DESTROYED,
    }
)


@dataclass(frozen=True, slots=True)
class MadeVersion:
    """``made_by`` is "" for the system: a schedule or a command. ``disabled`` is None for an enabled version."""

    version: KeyVersion
    made_by: str
    reason: str
    disabled: RecordedDecision | None


@dataclass(frozen=True, slots=True)
class VersionWindow:
    """One page of a key's versions. ``next_before`` starts the next page; None at the end.

    ``decision`` is that of ``state_decision``, from the same statement as those of the versions.
    """

    versions: Sequence[MadeVersion]
    next_before: int | None
    decision: RecordedDecision | None


def state_decision(*, principal: Principal, key: Key) -> RecordedDecision | None:
    """The decision that brought a visible key into its stored state; None if there was none, as for an active key."""
    return _decisions(principal, key).get((_deciding(key), None))


def list_made_versions(*, principal: Principal, key: Key, before: int | None, limit: int) -> VersionWindow:
    """The newest ``limit`` versions of a visible key before the version ``before``, or the newest of all."""
    versions = key.versions.order_by("-version")
    if before is not None:
        versions = versions.filter(version__lt=before)
    window = list(versions[: limit + 1])
    numbers = [version.version for version in window]
    rotations = {
        rotation.new_version: rotation
        for rotation in KeyRotation.objects.visible_to(principal)
        .completed()
        .filter(new_key_id=key.id, new_version__in=numbers)
        .select_related("rotated_by")
    }
    accounts = account_names(
        [key.service_account_id, *(rotation.service_account_id for rotation in rotations.values())]
    )
    disabled = [version.version for version in window if version.state == VersionState.DISABLED]
    decisions = _decisions(principal, key, disabled)
    return VersionWindow(
        versions=[
            _made(version, made, accounts, decisions.get((actions.VERSION_DISABLED, version.version)))
            for version in window[:limit]
            for made in [rotations.get(version.version, key)]
        ],
        next_before=window[limit - 1].version if len(window) > limit else None,
        decision=decisions.get((_deciding(key), None)),
    )


def _decisions(
    principal: Principal, key: Key, disabled: Sequence[int] = ()
) -> Mapping[tuple[str, int | None], RecordedDecision]:
    """The decisions about the key's state and its disabled versions: none, or one statement."""
    named = [name for name in (_deciding(key), actions.VERSION_DISABLED if disabled else "") if name]
    if not named:
        return {}
    return find_decisions(reader=principal, object_id=str(key.id), actions=named, versions=disabled)


def _deciding(key: Key) -> str:
    """The action that brought the key into its stored state; "" if there was none."""
    return _DECIDING.get(State(key.state), "")


def creator_of(key: Key) -> str:
    """The name of the user or service account that created a visible key; "" for the system."""
    return _name_of(key, account_names([key.service_account_id]))


def _made(
    version: KeyVersion,
    made: Key | KeyRotation,
    accounts: Mapping[UUID | None, str],
    disabled: RecordedDecision | None,
) -> MadeVersion:
    reason = made.rotation_reason if isinstance(made, KeyRotation) else CREATION
    return MadeVersion(version, _name_of(made, accounts), reason, disabled)


def _name_of(made: Key | KeyRotation, accounts: Mapping[UUID | None, str]) -> str:
    user = made.rotated_by if isinstance(made, KeyRotation) else made.created_by
    return user.username if user else accounts.get(made.service_account_id, "")
