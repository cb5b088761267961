"""The versions of a key and the decisions about it: the user, the time and the reason.

The reason of a rotation is in its row. The log is the only source for changes of state, so their reasons are shown as
far as the reader may read the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from accounts.holders import account_names
from accounts.principals import Principal
from audit.services.decisions import RecordedDecision, find_decisions
from keys import actions
from keys.lifecycle import State, VersionState
from keys.models import Key, KeyRotation, KeyVersion

_CREATION = "key created"
# The actions that bring a key or a version into a state. Expiry and planned activation are no decisions: the clock
# makes them.
_DECIDING: Final[Mapping[State, tuple[str, ...]]] = MappingProxyType(
    {
        State.SUSPENDED: (actions.KEY_DISABLED, actions.KEY_DELETION_CANCELLED),
        State.DEACTIVATED: (actions.KEY_REVOKED,),
        State.COMPROMISED: (actions.KEY_REVOKED,),
        State.DELETION_SCHEDULED: (actions.KEY_DELETION_SCHEDULED,),
        State.DESTROYED: (actions.KEY_DESTROYED,),
    }
)
_DECIDING_VERSION: Final[Mapping[VersionState, tuple[str, ...]]] = MappingProxyType(
    {
        VersionState.DISABLED: (actions.VERSION_DISABLED, actions.VERSION_DESTRUCTION_CANCELLED),
        VersionState.SCHEDULED: (actions.VERSION_DESTRUCTION_SCHEDULED,),
        VersionState.DESTROYED: (actions.VERSION_DESTROYED,),
    }
)
type _Decisions = Mapping[tuple[str, int | None], RecordedDecision]


@dataclass(frozen=True, slots=True)
class MadeVersion:
    """``made_by`` is "" for the system: a schedule or a command.

    ``replaced_at`` is None for the primary version. ``decision`` brought the version into its state; None for an
    enabled one, or one that was destroyed with its key.
    """

    version: KeyVersion
    made_by: str
    reason: str
    replaced_at: datetime | None
    decision: RecordedDecision | None


@dataclass(frozen=True, slots=True)
class _VersionWindow:
    """One page of a key's versions. ``next_before`` starts the next page; None at the end.

    ``decision`` is that of ``state_decision``, from the same statement as those of the versions.
    """

    versions: Sequence[MadeVersion]
    next_before: int | None
    decision: RecordedDecision | None


def state_decision(*, principal: Principal, key: Key) -> RecordedDecision | None:
    """The decision that brought a visible key into its stored state; None if there was none, as for an active key."""
    return _newest(_decisions(principal, key), _deciding(key), None)


def list_made_versions(*, principal: Principal, key: Key, before: int | None, limit: int) -> _VersionWindow:
    """The newest ``limit`` versions of a visible key before the version ``before``, or the newest of all."""
    versions = key.versions.order_by("-version")
    if before is not None:
        versions = versions.filter(version__lte=before)  # with the one that replaced the first of the page
    found = list(versions[: limit + 2])
    made_at = {version.version: version.created_at for version in found}
    window = [version for version in found if before is None or version.version < before][: limit + 1]
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
    decisions = _decisions(principal, key, window)
    return _VersionWindow(
        versions=[
            MadeVersion(
                version,
                _name_of(made, accounts),
                made.rotation_reason if isinstance(made, KeyRotation) else _CREATION,
                made_at.get(version.version + 1),
                _newest(decisions, _deciding_version(version), version.version),
            )
            for version in window[:limit]
            for made in [rotations.get(version.version, key)]
        ],
        next_before=window[limit - 1].version if len(window) > limit else None,
        decision=_newest(decisions, _deciding(key), None),
    )


def _decisions(principal: Principal, key: Key, versions: Sequence[KeyVersion] = ()) -> _Decisions:
    """The decisions about the states of the key and of these versions: none, or one statement."""
    decided = [version for version in versions if _deciding_version(version)]
    named = {*_deciding(key), *(action for version in decided for action in _deciding_version(version))}
    if not named:
        return {}
    numbers = [version.version for version in decided]
    return find_decisions(reader=principal, object_id=str(key.id), actions=named, versions=numbers)


def _newest(decisions: _Decisions, named: Sequence[str], version: int | None) -> RecordedDecision | None:
    found = [decisions[action, version] for action in named if (action, version) in decisions]
    return max(found, key=lambda decision: str(decision.at), default=None)  # an altered time is a text


def _deciding(key: Key) -> Sequence[str]:
    """The actions that may have brought the key into its stored state; none if there are no such."""
    return _DECIDING.get(State(key.state), ())


def _deciding_version(version: KeyVersion) -> Sequence[str]:
    return _DECIDING_VERSION.get(VersionState(version.state), ())


def owner_of(key: Key) -> str:
    """The name of the user or service account that owns a visible key; "" for the system."""
    return owners_of([key])[key.id]


def owners_of(keys: Sequence[Key]) -> dict[UUID, str]:
    """The names of the owners of visible keys, by key ID. A statement if service accounts own any."""
    accounts = account_names({key.service_account_id for key in keys})
    return {key.id: _name_of(key, accounts) for key in keys}


def _name_of(made: Key | KeyRotation, accounts: Mapping[UUID | None, str]) -> str:
    user = made.rotated_by if isinstance(made, KeyRotation) else made.created_by
    return user.username if user else accounts.get(made.service_account_id, "")
