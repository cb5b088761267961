"""The states of a key (NIST SP 800-57 part 1, §7) as a table and pure functions. No clock, no database.

Activation, expiry and the end of a scream test take effect at the time of use: the database stores the last *decision*,
and the effective state follows from it and the time. A key therefore expires even if no scheduler runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.modes import TransitOperation
from kernel.crypto.transit_types import type_of
from keys.errors import IllegalTransition, KeyNotActive, KeyNotUsable


class State(StrEnum):
    """Determines what a key may be used for."""

    PRE_ACTIVATION = "pre_activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DELETION_SCHEDULED = "deletion_scheduled"
    DESTROYED = "destroyed"


class Status(StrEnum):
    """The short status shown to callers. ``revoked`` covers two states, and ``deactivated`` has two statuses."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DISABLED = "disabled"
    SCHEDULED = "scheduled"
    DESTROYED = "destroyed"


class VersionState(StrEnum):
    """Determines what one version may be used for, within the limits of its key."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    SCHEDULED = "scheduled"
    DESTROYED = "destroyed"

    @property
    def word(self) -> str:
        """The word for people."""
        return "scheduled for destruction" if self is VersionState.SCHEDULED else self.value


class Origin(StrEnum):
    """Where the first version of a key comes from. Of ``PUBLIC_KEY``, only the public key was imported."""

    GENERATED = "generated"
    IMPORTED = "imported"
    PUBLIC_KEY = "public_key"


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
        # Cancelling restores the previous state and is not a free transition: if those states were listed here,
        # "revoke" would silently cancel a deletion.
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
_WORDS: Final[Mapping[State, str]] = MappingProxyType(
    {State.COMPROMISED: "compromised", State.DELETION_SCHEDULED: "scheduled for deletion"}
)


def state_after_test(state: State, resumes_at: datetime | None, now: datetime) -> State:
    """The stored state, or active if it is a suspension that ended at ``resumes_at``."""
    has_ended = state is State.SUSPENDED and resumes_at is not None and resumes_at <= now
    return State.ACTIVE if has_ended else state


def effective_state(
    state: State,
    activates_at: datetime | None,
    expires_at: datetime | None,
    now: datetime,
    resumes_at: datetime | None = None,
) -> State:
    """The state at ``now``. All times are aware UTC. ``resumes_at``: the end of a suspension for a limited time.

    A suspended key stays suspended when its expiry passes: a deactivated key may process, so expiry would
    otherwise lift the suspension.
    """
    state = state_after_test(state, resumes_at, now)
    if state is State.PRE_ACTIVATION and activates_at is not None and activates_at <= now:
        state = State.ACTIVE
    if state is State.ACTIVE and expires_at is not None and expires_at <= now:
        return State.DEACTIVATED
    return state


@dataclass(frozen=True, slots=True)
class LifecycleState:
    """A key's effective state at one time, and its status."""

    state: State
    status: Status

    @property
    def word(self) -> str:
        """The word for people, as on the badge of the key."""
        return _WORDS.get(self.state, self.status)

    def facts(self) -> dict[str, object]:
        """The members that every refusal because of a state includes."""
        return {"state": self.state.value, "key_status": self.status.value}


class Use(StrEnum):
    """Whether an operation protects new data or processes data that was protected before (NIST SP 800-57 part 1, §5.3.5)."""

    PROTECT = "protect"
    PROCESS = "process"
    REENCRYPT = "reencrypt"


# By the purpose of a key, its operations in the words of permissions.
OPERATIONS: Final[Mapping[str, Mapping[str, Use]]] = MappingProxyType(
    {
        "encrypt": {
            "encrypt": Use.PROTECT,
            "decrypt": Use.PROCESS,
            "reencrypt": Use.REENCRYPT,
            "data_key": Use.PROTECT,
            "derive": Use.PROTECT,
        },
        "sign": {"sign": Use.PROTECT, "verify": Use.PROCESS, "jwt": Use.PROTECT},
        "mac": {"mac": Use.PROTECT, "verify": Use.PROCESS},
        "encapsulate": {"encapsulate": Use.PROTECT, "decapsulate": Use.PROCESS},
        "agree": {"agree": Use.PROTECT},
        "transit": {
            "encrypt": Use.PROTECT,
            "decrypt": Use.PROCESS,
            "reencrypt": Use.PROTECT,
            "data_key": Use.PROTECT,
            "sign": Use.PROTECT,
            "mac": Use.PROTECT,
            "verify": Use.PROCESS,
        },
    }
)
_TRANSIT_OPERATIONS: Final[Mapping[TransitOperation, Sequence[str]]] = MappingProxyType(
    {
        "encrypt": ("encrypt", "decrypt", "reencrypt", "data_key"),
        "sign": ("sign", "verify"),
        "mac": ("mac", "verify"),
    }
)
# The operations of a pair that need only its public key.
_PUBLIC_OPERATIONS: Final = frozenset({"encrypt", "data_key", "verify", "encapsulate"})
_SYMMETRIC_ONLY: Final = frozenset({"derive"})
# Another system uses the bytes of a foreign key, so no key is derived from them.
_SYMMETRIC: Final = frozenset(
    kind.name for kind in KEY_ALGORITHMS if not (kind.is_asymmetric or kind.is_foreign)
)
_EXPIRED: Final = LifecycleState(State.DEACTIVATED, Status.EXPIRED)
_LIFECYCLE_STATES: Final = MappingProxyType(
    {state: LifecycleState(state, status) for state, status in _STATUS.items()}
)


def lifecycle_state(
    state: State,
    activates_at: datetime | None,
    expires_at: datetime | None,
    now: datetime,
    resumes_at: datetime | None = None,
) -> LifecycleState:
    """The state at ``now``. A key deactivated by its expiry is "expired", one deactivated by decision "revoked"."""
    effective = effective_state(state, activates_at, expires_at, now, resumes_at)
    by_clock = effective is State.DEACTIVATED and state is not State.DEACTIVATED
    return _EXPIRED if by_clock else _LIFECYCLE_STATES[effective]


def next_rotation(period_days: int | None, since: datetime) -> datetime | None:
    """When a key is due for rotation if its material was created at ``since``."""
    return None if period_days is None else since + timedelta(days=period_days)


def may_protect(state: State) -> bool:
    """Whether new messages may be encrypted or signed. ``state`` is the effective state."""
    return state is State.ACTIVE


def may_process(state: State, *, for_reencryption: bool = False) -> bool:
    """Whether existing messages may be decrypted or verified. ``state`` is the effective state.

    For suspended keys this is stricter than NIST requires. A compromised key may decrypt for re-encryption only,
    because each of its messages and signatures may be a forgery by someone who has the key.
    """
    return state in {State.ACTIVE, State.DEACTIVATED} or (for_reencryption and state is State.COMPROMISED)


def require_protect(at: LifecycleState, successor_id: UUID | None = None) -> None:
    """Raises KeyNotActive, which names the successor."""
    if not may_protect(at.state):
        raise not_active(at, successor_id)


def not_active(at: LifecycleState, successor_id: UUID | None = None) -> KeyNotActive:
    """The error for a key that must not protect."""
    if successor_id is None:
        return KeyNotActive(f"The key is {at.word}. This operation requires an active key.", extra=at.facts())
    return KeyNotActive(
        f"The key was replaced by key {successor_id}. Use that key.",
        extra={**at.facts(), "successor_id": str(successor_id)},
    )


def require_process(at: LifecycleState, *, for_reencryption: bool = False) -> None:
    """Raises KeyNotUsable."""
    if not may_process(at.state, for_reencryption=for_reencryption):
        raise KeyNotUsable(f"The key is {at.word}. It cannot be used.", extra=at.facts())


def check_transition(at: LifecycleState, to: State) -> None:
    """Raises IllegalTransition unless the table allows a change from the key's effective state to ``to``."""
    if to not in TRANSITIONS[at.state]:
        raise IllegalTransition(f"A key in state {at.state} cannot change to {to}.", extra=at.facts())


def operations_of(algorithm: str, purpose: str) -> Mapping[str, Use]:
    """The operations of keys with this algorithm and purpose, in any state."""
    found = OPERATIONS.get(purpose, {})
    transit = type_of(algorithm)
    if transit is not None:
        able = {word for operation in transit.modes for word in _TRANSIT_OPERATIONS[operation]}
        return {word: use for word, use in found.items() if word in able}
    if algorithm in _SYMMETRIC:
        return found
    return {word: use for word, use in found.items() if word not in _SYMMETRIC_ONLY}


def operations(
    algorithm: str, purpose: str, state: State, *, protects: bool = True, has_private_key: bool = True
) -> list[str]:
    """The operations that a key allows in this effective state, in the words of permissions.

    ``protects``: as of ``KeyAlgorithm``. ``has_private_key``: False if only the public key was imported.
    """
    able = {
        Use.PROTECT: protects and may_protect(state),
        Use.PROCESS: may_process(state),
        Use.REENCRYPT: may_process(state, for_reencryption=True),
    }
    return [
        word
        for word, use in operations_of(algorithm, purpose).items()
        if able[use] and (has_private_key or word in _PUBLIC_OPERATIONS)
    ]
