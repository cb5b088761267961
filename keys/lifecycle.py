"""The states of a key (NIST SP 800-57 part 1, §7) as a table and a few pure questions. No clock, no database.

Activation and expiry happen at the moment of use: what is stored is the last *decision*, and the effective
state follows from it and the time. So a key expires although every scheduler is dead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from keys.errors import IllegalTransition, KeyNotActive, KeyNotUsable


class State(StrEnum):
    """What a key may be used for."""

    PRE_ACTIVATION = "pre_activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DELETION_SCHEDULED = "deletion_scheduled"
    DESTROYED = "destroyed"


class Status(StrEnum):
    """The one word a caller sees first. ``revoked`` means two states, and ``deactivated`` two words."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DISABLED = "disabled"
    SCHEDULED = "scheduled"
    DESTROYED = "destroyed"


class VersionState(StrEnum):
    """What one version may be used for, within what its key may be used for."""

    ENABLED = "enabled"
    DISABLED = "disabled"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PRE_ACTIVATION: frozenset({State.ACTIVE, State.DELETION_SCHEDULED, State.COMPROMISED}),
        State.ACTIVE: frozenset(
            {State.SUSPENDED, State.DEACTIVATED, State.COMPROMISED, State.DELETION_SCHEDULED}
        ),
        State.SUSPENDED: frozenset(
            {State.ACTIVE, State.DEACTIVATED, State.COMPROMISED, State.DELETION_SCHEDULED}
        ),
        State.DEACTIVATED: frozenset({State.COMPROMISED, State.DELETION_SCHEDULED}),
        State.COMPROMISED: frozenset({State.DELETION_SCHEDULED}),
        # Cancelling restores the state that was left, and is no way to a state of choice: were those states
        # listed here, "revoke" would quietly call off a deletion.
        State.DELETION_SCHEDULED: frozenset({State.DESTROYED}),
        State.DESTROYED: frozenset(),
    }
)

_STATUS: Final[Mapping[State, Status]] = MappingProxyType(
    {
        State.PRE_ACTIVATION: Status.PENDING,
        State.ACTIVE: Status.ACTIVE,
        State.SUSPENDED: Status.DISABLED,
        State.DEACTIVATED: Status.REVOKED,
        State.COMPROMISED: Status.REVOKED,
        State.DELETION_SCHEDULED: Status.SCHEDULED,
        State.DESTROYED: Status.DESTROYED,
    }
)


def effective_state(
    state: State, activates_at: datetime | None, expires_at: datetime | None, now: datetime
) -> State:
    """The state at the moment ``now``; every time is aware UTC.

    A suspended key stays suspended when its expiry passes: a deactivated one may process, so expiry would
    otherwise lift a suspension.
    """
    if state is State.PRE_ACTIVATION and activates_at is not None and activates_at <= now:
        state = State.ACTIVE
    if state is State.ACTIVE and expires_at is not None and expires_at <= now:
        return State.DEACTIVATED
    return state


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands at one moment: its effective state and the word for it."""

    state: State
    status: Status

    def facts(self) -> dict[str, object]:
        """The members that every refusal because of a state carries."""
        return {"state": self.state.value, "key_status": self.status.value}


_EXPIRED: Final = Standing(State.DEACTIVATED, Status.EXPIRED)
_STANDINGS: Final = MappingProxyType({state: Standing(state, status) for state, status in _STATUS.items()})


def standing(
    state: State, activates_at: datetime | None, expires_at: datetime | None, now: datetime
) -> Standing:
    """Where such a key stands at ``now``: deactivated by the clock is expired, by decision revoked."""
    effective = effective_state(state, activates_at, expires_at, now)
    by_clock = effective is State.DEACTIVATED and state is not State.DEACTIVATED
    return _EXPIRED if by_clock else _STANDINGS[effective]


def next_rotation(period_days: int | None, since: datetime) -> datetime | None:
    """When a key whose material is of ``since`` is due for rotation."""
    return None if period_days is None else since + timedelta(days=period_days)


def may_protect(state: State) -> bool:
    """Whether new messages may be encrypted; ``state`` is the effective one."""
    return state is State.ACTIVE


def may_process(state: State, *, for_reencryption: bool = False) -> bool:
    """Whether existing messages may be decrypted; ``state`` is the effective one.

    Stricter than NIST asks where a key is suspended. A compromised key opens its messages only to have them
    encrypted anew: each of them may be a forgery by whoever has the key.
    """
    return state in {State.ACTIVE, State.DEACTIVATED} or (for_reencryption and state is State.COMPROMISED)


def require_protect(at: Standing) -> None:
    """Raises KeyNotActive."""
    if not may_protect(at.state):
        raise not_active(at)


def not_active(at: Standing) -> KeyNotActive:
    """The refusal of a key that does not protect."""
    return KeyNotActive(f"The key is {at.status}. Only an active key can do this.", extra=at.facts())


def require_process(at: Standing, *, for_reencryption: bool = False) -> None:
    """Raises KeyNotUsable."""
    if not may_process(at.state, for_reencryption=for_reencryption):
        raise KeyNotUsable(f"The key is {at.status}. It cannot decrypt.", extra=at.facts())


def check_transition(at: Standing, to: State) -> None:
    """Raises IllegalTransition unless the table lets a key that stands there become ``to``."""
    if to not in TRANSITIONS[at.state]:
        raise IllegalTransition(f"A key in state {at.state} cannot change to {to}.", extra=at.facts())


def operations(state: State) -> list[str]:
    """What an encryption key can do in that effective state, in the words of permissions."""
    able = {
        "encrypt": may_protect(state),
        "decrypt": may_process(state),
        "reencrypt": may_process(state, for_reencryption=True),
    }
    return [word for word, can in able.items() if can]
