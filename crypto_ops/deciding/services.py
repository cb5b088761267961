"""Deciding and settling: common to every operation with keys, for messages and streams.

Calls go one way. A request *decides* in memory (may this principal do this with that key now). The decision is
*settled*: ``audit.commit.writer`` commits it with its audit event, or, if the response is not released yet, it is
compared with the database. To settle, the decision is *finished*: it computes the result. A stale decision is repeated
with fresh rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final, Protocol, cast

from django.db import transaction
from msgspec.structs import replace

from accounts.errors import TokenExpired
from accounts.principals import Principal
from accounts.tokens.access_tokens import renew_principal
from audit.commit import writer
from audit.commit.decisions import Deadline, Decision, Grounds, Ready
from audit.log.events import Event, Outcome
from audit.services.recording import record
from crypto_ops.deciding.context import DecisionContext, Permit, Use
from crypto_ops.measurement import measured
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.crypto.modes import Mode, SealingMode
from kernel.errors import DomainError, Invalid, Unavailable
from kernel.freshness.epoch import lock_epoch, read_epoch, renew_stamps
from kernel.freshness.stamps import StaleDecision
from keys import lifecycle
from keys.lifecycle import LifecycleState, State, Status
from keys.references import KeyReference
from keys.ring import keyring
from keys.ring.cached_keys import CachedKey, CachedVersion
from keys.ring.primitives import Kind

MAX_DECISIONS: Final = 5


class Operation[T](Protocol):
    """A request to the engine."""

    def decide(self, context: DecisionContext) -> Decision[T]:
        """Raises refusals. It may run more than once, and reads keys through the context only."""
        ...


class Settlement[T](Protocol):
    """The step after a decision. Raises the errors of ``audit.commit.writer.commit``."""

    def settle(self, decision: Decision[T]) -> T: ...


class _Commit:
    """The audit event is durable before the result is returned."""

    def settle[T](self, decision: Decision[T]) -> T:
        return writer.commit(decision)


class _Comparison:
    """No audit event: the response is not released yet."""

    def settle[T](self, decision: Decision[T]) -> T:
        epoch = read_epoch()
        renew_stamps(decision.grounds.stamps, epoch)
        decision.grounds.require_current(epoch, process_now())
        return decision.finish()


class CommitWithChange[T](ABC):
    """The audit event is in the transaction of a change: both are stored, or neither."""

    @abstractmethod
    def change(self, result: T) -> None:
        """Write the rows of the change. Raises its errors."""

    def settle(self, decision: Decision[T]) -> T:
        result, grounds = decision.finish(), decision.grounds
        with transaction.atomic():
            self.change(result)
            epoch, now = lock_epoch()
            renew_stamps(grounds.stamps, epoch)
            grounds.require_current(epoch, now)
            size = grounds.event.size if decision.size is None else decision.size
            record(replace(grounds.event, size=size), grounds.actor, at=now)
        return result


COMMIT: Final = _Commit()
COMPARISON: Final = _Comparison()


def perform[T](operation: Operation[T], principal: Principal, settlement: Settlement[T] = COMMIT) -> T:
    """Decide, settle and finish, with retries while stale.

    Raises refusals, and Unavailable after ``MAX_DECISIONS`` decisions.
    """
    for _ in range(MAX_DECISIONS):
        context = DecisionContext(principal)
        try:
            decision = operation.decide(context)
        except DomainError:
            # A refusal must not rest on stale entries either: another process may just have enabled the key.
            stale = renew_stamps(context.stamps, read_epoch())
            if not stale:
                raise
        else:
            try:
                return settlement.settle(decision)
            except StaleDecision as error:
                stale = error.entities
        keyring.forget(stale)
        principal = renew_principal(principal)
    raise changing_too_fast()


class Result(Protocol):
    """The result of an operation with a key."""

    @property
    def mode(self) -> Mode: ...


class KeyRequest[R: Result](Unprinted, frozen=True, kw_only=True):
    """An operation with one key. ``key_id``: None for the caller's default key. ``mode``: None for the one of the key.

    ``unknown_mode``: in metrics, the mode of a request that is refused before its key, and thus its mode, is known.
    """

    unknown_mode: ClassVar[str] = ""

    @property
    def key_id(self) -> KeyReference | None:
        return None

    @property
    def mode(self) -> Mode | None:
        return None

    @abstractmethod
    def decide(self, context: DecisionContext) -> Decision[R]:
        """As ``Operation.decide``."""


def perform_measured[R: Result](request: KeyRequest[R], principal: Principal) -> R:
    """As ``perform``, counted and timed."""
    with measured(request.mode or Mode(request.unknown_mode)) as measurement:
        result = perform(request, principal)
        measurement.mode = result.mode
    return result


def changing_too_fast() -> Unavailable:
    """The error after ``MAX_DECISIONS`` decisions that became stale before they could be settled."""
    return Unavailable("Keys are changing too often to process this request. Try again.")


def key_event(
    action: str,
    entry: CachedKey,
    version: CachedVersion | None,
    *,
    count: int = 1,
    outcome: Outcome = Outcome.OK,
    code: str = "",
    **meta: object,
) -> Event:
    """The audit event of ``count`` operations with a key. Each decision adds its size."""
    return Event(
        action=action,
        object_type="key",
        object_id=str(entry.key_id),
        object_version=None if version is None else version.number,
        outcome=outcome,
        code=code,
        count=count,
        meta=meta,
    )


def find_key(use: Use[Mode], permission: str, context: DecisionContext) -> CachedKey:
    """The key of a use, or the caller's default key. Raises refusals."""
    _, key_id, mode, _ = use
    context.principal.require(permission)
    if key_id is None and isinstance(mode, SealingMode):
        return context.find_default(mode.key_algorithm, permission)
    return context.find(cast(KeyReference, key_id), permission)


def permit_of[M: Mode, P](
    use: Use[M],
    entry: CachedKey,
    version: CachedVersion,
    mode: M,
    primitive: P,
    context: DecisionContext,
    *,
    protects: bool = False,
) -> Permit[P]:
    """The permit after all checks, kept for later decisions. ``protects``: the key's expiry ends it."""
    event = key_event(use[0], entry, version, algorithm=mode.name)
    grounds = _grounds_of(event, context, protects=entry if protects else None)
    permit = Permit(entry=entry, version=version, mode=mode, primitive=primitive, grounds=grounds)
    return context.remember(use, permit)


def protecting_permit[M: Mode, P](
    use: Use[M],
    permission: str,
    build: Kind[M, P],
    context: DecisionContext,
    modes: Mapping[str, M] | None = None,
) -> Permit[P]:
    """Decide whether the caller may protect with the primary version of a key. Raises refusals.

    ``build``: the kind of primitive. ``modes``: those of the operation, if the request names none.
    """
    entry = find_key(use, permission, context)
    mode = use[2] or default_mode(entry, modes or {})
    version = entry.require_protect(process_now())
    entry.require_allowed(mode)
    primitive = context.primitive(version, build, mode)
    return permit_of(use, entry, version, mode, primitive, context, protects=True)


def default_mode[M: Mode](entry: CachedKey, modes: Mapping[str, M], *, field: str = "key_id") -> M:
    """The default mode of a key. Raises UnsupportedAlgorithm, which names ``field``, unless it is one of ``modes``.

    If a policy allows none, the key may still process, so it has its first mode.
    """
    mode = modes.get(next(iter(entry.protecting_modes or entry.modes)))
    if mode is None:
        wanted = " or ".join({each.purpose: None for each in modes.values()})
        raise UnsupportedAlgorithm(
            f"The purpose of this key is {entry.purpose}. Use a key whose purpose is {wanted}.", field=field
        )
    return mode


def named_version(entry: CachedKey, number: int, context: DecisionContext) -> CachedVersion:
    """The version that a request names, which must be able to process. Raises Invalid, KeyNotUsable."""
    if number not in entry.versions:
        raise Invalid.of_field("key_version", "The key has no version with this number.")
    return context.require_process(entry, number, process_now())


def _grounds_of(event: Event, context: DecisionContext, *, protects: CachedKey | None = None) -> Grounds:
    """Grounds that hold while nothing that was read has changed, and within all lifetimes that apply."""
    return Grounds(
        event=event,
        actor=context.principal.actor,
        stamps=context.stamps,
        deadlines=(*_token_end(context.principal), *_key_end(protects), *context.deadlines),
        not_before=tuple([start for entry in context.used for start in _key_start(entry)]),
    )


def with_facts(grounds: Grounds, **facts: object) -> Grounds:
    """The same grounds for an event with more members in its ``meta``."""
    event = replace(grounds.event, meta={**grounds.event.meta, **facts})
    return replace(grounds, event=event)


def decision_of[T](
    result: T,
    event: Event,
    context: DecisionContext,
    *,
    size: int | None = None,
    protects: CachedKey | None = None,
) -> Decision[T]:
    """A decision with its own grounds, whose result is known already. ``size`` is in bytes."""
    grounds = _grounds_of(event, context, protects=protects)
    return Ready(grounds, size, context.request_id, result=result)


def _token_end(principal: Principal) -> tuple[Deadline, ...]:
    if principal.not_after is None:
        return ()
    return (Deadline(principal.not_after, TokenExpired),)


def _key_end(entry: CachedKey | None) -> tuple[Deadline, ...]:
    """The expiry ends protection but not processing."""
    if entry is None or entry.expires_at is None:
        return ()
    expired = LifecycleState(State.DEACTIVATED, Status.EXPIRED)
    return (Deadline(entry.expires_at, partial(lifecycle.not_active, expired)),)


def _key_start(entry: CachedKey) -> tuple[Deadline, ...]:
    """If a key is active only because of the clock, the database's clock makes the final decision."""
    if entry.clock_start is None:
        return ()
    before = lifecycle.lifecycle_state(entry.state, None, None, entry.clock_start)  # without its times
    return (Deadline(entry.clock_start, partial(lifecycle.not_active, before)),)
