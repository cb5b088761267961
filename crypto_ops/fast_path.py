"""The fast path to the engine: hot operations without Django, without a query, without a thread.

It serves plain requests that are allowed and whose data is in memory. Cache misses are loaded once and shared by
all waiting requests. Everything else goes to the REST interface (the handler returns None), so each refusal or
error has one implementation, one text and one audit event, and the two paths cannot diverge. There are two
exceptions. A spent budget is refused here, because a flood of requests must not load Django. A failure to write the
audit event is reported here, because no operation may be tried twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import msgspec

from accounts import verified_tokens
from accounts.errors import TokenExpired
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.service_tokens import require_network
from accounts.tokens import authenticate_bearer
from audit.commit import loop_writer
from audit.commit.writer import Decision
from audit.errors import AuditUnavailable
from audit.log import refusals
from audit.log.events import Actor, Event, Outcome
from crypto_ops import actions, batches, engine, wire
from crypto_ops.batches import BatchResult, DecryptBatch, EncryptBatch
from crypto_ops.deciding import MAX_DECISIONS, changing_too_fast
from crypto_ops.decision_context import CachedDecisionContext, CacheMiss, DecisionContext, UnknownCost
from crypto_ops.measurement import observe
from crypto_ops.requests import cost_of
from kernel import throttle
from kernel.clock import process_now
from kernel.crypto.algorithms import Mode
from kernel.databases import lock_waits
from kernel.databases.transactions import call_in_pool
from kernel.errors import DomainError, Throttled, Unavailable
from kernel.freshness.stamps import StaleDecision
from kernel.http import fast_path
from kernel.http.fast_path import HotAnswer, HotHandler, HotRequest, HotRoutes
from kernel.observability.tracing import bound
from kernel.runtime import ProcessState
from keys import keyring

logger = logging.getLogger(__name__)

MAX_LOADS: Final = 64  # per decision: a batch may name many versions
LOADERS: Final = 4  # threads that load on a cache miss
MAX_LOADING: Final = 256

# Django handles every request that cannot be decided here, because it has the text of every refusal.
_PASSED_TO_DJANGO = (DomainError, UnknownCost, wire.IncompleteForm, msgspec.MsgspecError, UnicodeDecodeError)


class Request(Protocol):
    @property
    def mode(self) -> Mode: ...


@dataclass(frozen=True, slots=True)
class HotRoute[M: wire.RequestBody, Q: Request, R]:
    """One operation: its body type, request, decision and response."""

    action: str
    body: type[M]
    request: Callable[[M], Q]
    decide: Callable[[Q, DecisionContext], Decision[R]]
    write: Callable[[R, M], bytes]
    count: Callable[[Q], int] = lambda _: 1
    refused: Callable[[R], int] = lambda _: 0

    def handler(self) -> HotHandler:
        """The handler for ``ciphercanary.server.fast_path_worker`` and ``ciphercanary.server.bridge``."""
        decoder = msgspec.json.Decoder(self.body)

        async def answer(hot: HotRequest, body: bytes) -> HotAnswer | None:
            until = lock_waits.deadline()
            try:
                origin = Origin(client_ip=hot.client_ip, user_agent=hot.user_agent, request_id=hot.request_id)
                # Authenticate first, because decoding the body costs time.
                principal = verified_tokens.find(hot.token, process_now())
                if principal is None:
                    principal = await _verify(hot.token, origin)
                require_network(principal, hot.client_ip)
                message = decoder.decode(body)
                if not wire.is_unambiguous(body, message):
                    return None
                return await self._answer(hot.token, origin, principal, message, until)
            except _PASSED_TO_DJANGO:
                return None
            except Exception:
                logger.exception("the fast path could not answer")
                return None

        return answer

    async def _answer(
        self, token: str, origin: Origin, principal: Principal, message: M, until: float
    ) -> HotAnswer:
        request = self.request(message)
        count = self.count(request)
        name, cost = principal.identity.budget, cost_of(count)
        try:
            throttle.charge_principal(name, cost)
        except Throttled as error:
            actor = origin.actor_like(principal.actor)
            return await _refuse(error, self.action, Outcome.DENIED, name, actor, until)
        began = time.perf_counter()
        try:
            result = await self._perform(token, origin, principal, request, until)
        except AuditUnavailable as error:
            # The audit event may have been written. If Django repeated the request, there could be two.
            actor = origin.actor_like(principal.actor)
            return await _refuse(error, self.action, Outcome.ERROR, name, actor, until)
        except (DomainError, UnknownCost):
            throttle.refund_principal(name, cost)  # Django charges it again
            raise
        observe(request.mode, time.perf_counter() - began, count, self.refused(result))
        return fast_path.answer(self.write(result, message), origin.request_id, *_rate_limit_headers(name))

    async def _perform(self, token: str, origin: Origin, principal: Principal, request: Q, until: float) -> R:
        actor = origin.actor_like(principal.actor)
        decisions, loads = MAX_DECISIONS, MAX_LOADS
        while decisions and loads:
            try:
                return await loop_writer.submit(
                    self.decide(request, CachedDecisionContext(principal, actor)), until
                )
            except CacheMiss as miss:
                loads -= 1
                await _load(miss.missing, miss.load)
            except StaleDecision as stale:
                decisions -= 1
                keyring.forget(stale.entities)
                verified_tokens.forget(token)
                principal = await _verify(token, origin)
        raise changing_too_fast()


async def _verify(token: str, origin: Origin) -> Principal:
    """The principal of the token. Raises Unauthenticated and the other errors of ``authenticate_bearer``."""
    await _load(token, lambda: verified_tokens.remember(token, authenticate_bearer(token, origin)))
    principal = verified_tokens.find(token, process_now())
    if principal is None:
        raise TokenExpired
    return principal


async def _load(missing: Hashable, load: Callable[[], object]) -> None:
    """Load in a thread, once for all waiting requests. Raises the errors of ``load``."""
    loads = _loads.current
    loading = loads.running.get(missing)
    if loading is None:
        if len(loads.running) >= MAX_LOADING:
            raise Unavailable("Too many requests are waiting for the database. Try again.")
        loading = asyncio.get_running_loop().run_in_executor(loads.threads, bound(call_in_pool), load)
        loads.running[missing] = loading
        loading.add_done_callback(lambda _: loads.running.pop(missing, None))
    await asyncio.shield(loading)


class _Loads:
    """What is being loaded, and the threads that load it."""

    def __init__(self) -> None:
        self.running: dict[Hashable, asyncio.Future[object]] = {}
        self.threads = ThreadPoolExecutor(LOADERS, thread_name_prefix="fast-path-loader")

    def close(self) -> None:
        self.threads.shutdown()


_loads = ProcessState(_Loads)


def _rate_limit_headers(name: str, retry_after: int | None = None) -> list[tuple[bytes, bytes]]:
    headers = throttle.headers(name, retry_after)
    return [(header.lower().encode(), value.encode()) for header, value in headers]


async def _refuse(
    error: Throttled | AuditUnavailable, action: str, outcome: Outcome, name: str, actor: Actor, until: float
) -> HotAnswer:
    event = Event(action=action, outcome=outcome, code=error.code)
    if refusals.count(event, actor):
        write = partial(refusals.write, event, actor)
        threads = _loads.current.threads
        await asyncio.get_running_loop().run_in_executor(threads, call_in_pool, _wait_until, until, write)
    return fast_path.problem(
        error, actor.request_id, *_rate_limit_headers(name, getattr(error, "retry_after", None))
    )


def _wait_until(until: float, call: Callable[[], object]) -> object:
    with lock_waits.waiting_until(until):
        return call()


def _refused_of(result: BatchResult[str] | BatchResult[bytes]) -> int:
    return result.refused


def _items_of(request: EncryptBatch | DecryptBatch) -> int:
    return len(request.items)


ROUTES: Final[HotRoutes] = {
    ("POST", "/api/v1/encrypt"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.Encrypt,
        request=wire.encrypt_request,
        decide=engine.decide_encryption,
        write=wire.encrypted,
    ).handler(),
    ("POST", "/api/v1/decrypt"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.Decrypt,
        request=wire.decrypt_request,
        decide=engine.decide_decryption,
        write=wire.decrypted,
    ).handler(),
    ("POST", "/api/v1/encrypt/batch"): HotRoute(
        action=actions.MESSAGE_ENCRYPTED,
        body=wire.EncryptBatch,
        request=wire.encrypt_batch,
        decide=batches.decide_encryptions,
        write=wire.of_batch,
        count=_items_of,
        refused=_refused_of,
    ).handler(),
    ("POST", "/api/v1/decrypt/batch"): HotRoute(
        action=actions.MESSAGE_DECRYPTED,
        body=wire.DecryptBatch,
        request=wire.decrypt_batch,
        decide=batches.decide_decryptions,
        write=wire.of_batch,
        count=_items_of,
        refused=_refused_of,
    ).handler(),
}
