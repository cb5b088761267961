"""Deciding, and making a decision count: the way of every operation with keys, of messages and of streams.

Each is *decided* in memory (may this principal do this with that key now), and the decision is *settled*: committed
with its record by ``audit.writer``, or, where its answer does not leave yet, compared with the database. A decision
that has become stale is made again from fresh rows.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final
from uuid import UUID

from accounts.errors import TokenExpired
from accounts.principals import Principal
from accounts.tokens import renew_principal
from audit import writer
from audit.epoch import read_epoch, renew_stamps
from audit.errors import StaleDecision
from audit.events import Event, Outcome
from audit.writer import Deadline, Decision
from ciphercanary.clock import process_now
from ciphercanary.errors import DomainError, Unavailable
from crypto_ops.attempts import Attempt
from keys import keyring, lifecycle
from keys.entries import KeyEntry, VersionEntry
from keys.lifecycle import Standing, State, Status

ATTEMPTS: Final = 5


def perform[T](
    principal: Principal,
    decide: Callable[[Attempt], Decision[T]],
    settle: Callable[[Decision[T]], T] = writer.commit,
) -> T:
    """Decide and settle, anew while it is stale. Raises what decides against it, Unavailable after five attempts."""
    for _ in range(ATTEMPTS):
        attempt = Attempt(principal)
        try:
            decision = decide(attempt)
        except DomainError:
            # A refusal must not rest on an old entry either: the key may have been enabled a moment ago elsewhere.
            stale = renew_stamps(attempt.stamps, read_epoch())
            if not stale:
                raise
        else:
            try:
                return settle(decision)
            except StaleDecision as error:
                stale = error.entities
        keyring.forget(stale)
        principal = renew_principal(principal)
    raise changing_too_fast()


def changing_too_fast() -> Unavailable:
    """After ``ATTEMPTS`` decisions that had become stale before they could be settled."""
    return Unavailable("Keys are changing too often to process this request. Try again.")


def compare[T](decision: Decision[T]) -> T:
    """Settle without a record, for an answer that does not leave yet. Raises as ``audit.writer.commit`` does."""
    epoch = read_epoch()
    renew_stamps(decision.stamps, epoch)
    decision.require_current(epoch, process_now())
    return decision.result


def key_event(
    action: str,
    entry: KeyEntry,
    version: VersionEntry | None,
    size: int,
    *,
    count: int = 1,
    outcome: Outcome = Outcome.OK,
    code: str = "",
    **meta: object,
) -> Event:
    """What is recorded of ``count`` operations with a key, ``size`` bytes in all."""
    kind = _event_like(
        action, entry.key_id, None if version is None else version.number, outcome, code, tuple(meta.items())
    )
    return kind.of_amount(count, size)


@lru_cache(4096)
def _event_like(
    action: str,
    key_id: UUID,
    version: int | None,
    outcome: Outcome,
    code: str,
    meta: tuple[tuple[str, object], ...],
) -> Event:
    """An event of no size yet: most of a busy key's are alike."""
    return Event(
        action=action,
        object_type="key",
        object_id=str(key_id),
        object_version=version,
        outcome=outcome,
        code=code,
        meta=dict(meta),
    )


def decision_of[T](
    result: T, event: Event, attempt: Attempt, *, protects: KeyEntry | None = None
) -> Decision[T]:
    """Valid while nothing has changed that the attempt looked at, and within every life it uses."""
    return Decision(
        result=result,
        event=event,
        actor=attempt.actor,
        stamps=attempt.stamps,
        deadlines=(*_token_end(attempt.principal), *_key_end(protects)),
        not_before=tuple([start for entry in attempt.used for start in _key_start(entry)]),
    )


def _token_end(principal: Principal) -> tuple[Deadline, ...]:
    if principal.not_after is None:
        return ()
    return (Deadline(principal.not_after, TokenExpired),)


def _key_end(entry: KeyEntry | None) -> tuple[Deadline, ...]:
    """Protecting ends with the expiry; processing knows no such end."""
    if entry is None or entry.expires_at is None:
        return ()
    expired = Standing(State.DEACTIVATED, Status.EXPIRED)
    return (Deadline(entry.expires_at, partial(lifecycle.not_active, expired)),)


def _key_start(entry: KeyEntry) -> tuple[Deadline, ...]:
    """Where a key is active by the clock alone, the database's clock has the last word on that, too."""
    if entry.state is not State.PRE_ACTIVATION or entry.activates_at is None:
        return ()
    pending = Standing(State.PRE_ACTIVATION, Status.PENDING)
    return (Deadline(entry.activates_at, partial(lifecycle.not_active, pending)),)
