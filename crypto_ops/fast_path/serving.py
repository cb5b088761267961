"""The fast path to the engine: frequent operations without Django, without a query, without a thread.

It serves plain requests that are allowed and whose data is in memory. Such a request is read, decided and recorded in
one go, in ``FastRoute.begin``; the commit of its record releases the response. If data is missing or has changed, the
request is decided again in a task, which loads it once for all waiting requests. Everything else goes to the REST
interface, so each refusal or error has one implementation, one text and one audit event, and the two paths cannot
diverge. There are two exceptions. A spent budget is refused here, because a flood of requests must not load Django. A
failure to write the audit event is reported here, because no operation may be tried twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final, override

import msgspec

from accounts.errors import TokenExpired
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.tokens import verified_tokens
from accounts.tokens.access_tokens import authenticate_bearer
from accounts.tokens.service_tokens import require_network
from audit.commit import loop_writer
from audit.errors import AuditUnavailable
from audit.log import refusals
from audit.log.events import Event, Outcome
from audit.named_keys import text_of, with_named_keys
from crypto_ops.deciding import wire
from crypto_ops.deciding.context import CachedDecisionContext, CacheMiss, FreshDecisionContext, UnknownCost
from crypto_ops.deciding.services import MAX_DECISIONS, Operation, Result, changing_too_fast
from crypto_ops.fast_path.calls import FastCall
from crypto_ops.fast_path.loads import load, threads
from crypto_ops.items.services import AnyBatchResult, BatchRequest
from crypto_ops.measurement import observe
from crypto_ops.requests import cost_of
from kernel import throttle
from kernel.clock import process_now
from kernel.databases import lock_waits
from kernel.databases.transactions import call_in_pool
from kernel.errors import DomainError, Throttled
from kernel.freshness.stamps import StaleDecision
from kernel.http import fast_path
from kernel.http.fast_path import NATIVE, Exchange, FastRequest, FastResponse, HeadForm
from keys.ring import keyring

logger = logging.getLogger(__name__)

MAX_LOADS: Final = 64  # per request: a batch may name many versions

# Django handles every request that cannot be decided here, because it has the text of every refusal.
_PASSED_TO_DJANGO = (
    DomainError,
    UnknownCost,
    msgspec.MsgspecError,
    UnicodeDecodeError,
)


class FastRoute[M: wire.RequestBody, R: Result]:
    """One operation. ``action``: of its audit events."""

    head: ClassVar[HeadForm] = NATIVE

    def __init__(
        self,
        action: str,
        decode: Callable[[bytes], M],
        request: Callable[[M], Operation[R]],
        write: Callable[[R, M, str], bytes],
    ) -> None:
        """``decode`` reads a body, and ``write`` makes that of the response, with the request ID."""
        self.action = action
        self.request = request
        self.write = write
        self._decode = decode

    def refusal(self, error: DomainError, request_id: str, *headers: tuple[bytes, bytes]) -> FastResponse:
        """The response to a refused request, the same as Django's."""
        return fast_path.problem(error, request_id, *headers)

    def count(self, _request: Any) -> int:
        """The number of messages."""
        return 1

    def refused(self, _result: Any) -> int:
        """The number of refused messages."""
        return 0

    def find_caller(self, sent: FastRequest) -> Principal | None:
        """The caller if their token is known, without a request id."""
        caller = verified_tokens.find_caller(sent.token, sent.client_ip, sent.user_agent, process_now())
        if caller is not None:
            try:
                require_network(caller, sent.client_ip)
            except DomainError:
                return None
        return caller

    def begin(self, caller: Principal, request_id: str, body: bytes, exchange: Exchange) -> bool:
        """Decide the request and queue its record. False if that is not possible at once; then nothing has happened."""
        read = self._read(body)
        if read is None:
            return False
        message, request = read
        began = time.monotonic()
        name, count = caller.identity.budget, self.count(request)
        cost = cost_of(count)
        try:
            # First, because a decision uses up invocations of the key.
            throttle.charge_principal(name, cost)
        except Throttled:
            return False
        try:
            call = FastCall(
                request.decide(CachedDecisionContext(caller, request_id)),
                self,
                message,
                exchange,
                budget=name,
                cost=cost,
                count=count,
                began=began,
                until=began + lock_waits.limit(),
            )
            loop_writer.enqueue(call)
        except (CacheMiss, *_PASSED_TO_DJANGO):
            throttle.refund_principal(name, cost)
            return False
        except Exception:  # the connection would close without a response, and without an entry
            logger.exception("the fast path could not decide")
            throttle.refund_principal(name, cost)
            return False
        return True

    def _read(self, body: bytes) -> tuple[M, Any] | None:
        """The message, and its request to the engine; None if Django must read them."""
        try:
            message = self._decode(body)
            return (message, self.request(message)) if wire.is_unambiguous(body, message) else None
        except _PASSED_TO_DJANGO:
            return None
        except Exception:
            logger.exception("the fast path could not read a request")
            return None

    async def __call__(
        self, sent: FastRequest, body: bytes, failure: DomainError | None = None
    ) -> FastResponse | None:
        """Decide the request, and load what is missing. None passes it to Django.

        ``failure``: why an earlier decision by ``begin`` was not recorded.
        """
        until = lock_waits.deadline()
        try:
            origin = Origin(client_ip=sent.client_ip, user_agent=sent.user_agent, request_id=sent.request_id)
            if isinstance(failure, StaleDecision):
                _forget(sent.token, failure)
            # Authenticate first, because decoding the body costs time.
            principal = self.find_caller(sent)
            if isinstance(failure, AuditUnavailable):
                # The audit event may have been written. If Django repeated the request, there could be two.
                if principal is None:
                    return self.refusal(failure, sent.request_id)
                return await self._refuse(failure, Outcome.ERROR, principal, sent, body, until)
            if principal is None:
                principal = await _verify(sent, origin)
            message = self._decode(body)
            if not wire.is_unambiguous(body, message):
                return None
            return await self._respond(sent, body, origin, principal, message, until)
        except _PASSED_TO_DJANGO:
            return None
        except Exception:
            logger.exception("the fast path could not respond")
            return None

    async def _respond(
        self,
        sent: FastRequest,
        body: bytes,
        origin: Origin,
        principal: Principal,
        message: M,
        until: float,
    ) -> FastResponse:
        request = self.request(message)
        count = self.count(request)
        name, cost = principal.identity.budget, cost_of(count)
        try:
            throttle.charge_principal(name, cost)
        except Throttled as error:
            return await self._refuse(error, Outcome.DENIED, principal, sent, body, until)
        began = time.perf_counter()
        try:
            result = await self._perform(sent, origin, principal, request, until)
        except AuditUnavailable as error:
            return await self._refuse(error, Outcome.ERROR, principal, sent, body, until)  # as above
        except (DomainError, UnknownCost):
            throttle.refund_principal(name, cost)  # Django charges it again
            raise
        observe(result.mode, time.perf_counter() - began, count, self.refused(result))
        written = self.write(result, message, sent.request_id)
        return fast_path.response(written, sent.request_id, *_rate_limit_headers(name))

    async def _perform(
        self, sent: FastRequest, origin: Origin, principal: Principal, request: Operation[R], until: float
    ) -> R:
        decisions, loads = MAX_DECISIONS, MAX_LOADS
        while decisions and loads:
            try:
                context = FreshDecisionContext(principal, sent.request_id)
                return await loop_writer.submit(request.decide(context), until)
            except CacheMiss as miss:
                loads -= 1
                await load(miss.missing, miss.load)
            except StaleDecision as stale:
                decisions -= 1
                _forget(sent.token, stale)
                principal = await _verify(sent, origin)
        raise changing_too_fast()

    async def _refuse(
        self,
        error: Throttled | AuditUnavailable,
        outcome: Outcome,
        principal: Principal,
        sent: FastRequest,
        body: bytes,
        until: float,
    ) -> FastResponse:
        event = with_named_keys(Event(action=self.action, outcome=outcome, code=error.code), text_of(body))
        actor = principal.actor.of_request(sent.request_id)
        if refusals.count(event, actor):
            write = partial(refusals.write, event, actor)
            loaders = threads()
            await asyncio.get_running_loop().run_in_executor(loaders, call_in_pool, _wait_until, until, write)
        limits = _rate_limit_headers(principal.identity.budget, getattr(error, "retry_after", None))
        return self.refusal(error, sent.request_id, *limits)


class FastBatchRoute[M: wire.RequestBody, R: AnyBatchResult](FastRoute[M, R]):
    @override
    def count(self, request: BatchRequest[Any]) -> int:
        return len(request.items)

    @override
    def refused(self, result: R) -> int:
        return result.refused


def _forget(token: str, stale: StaleDecision) -> None:
    keyring.forget(stale.entities)
    verified_tokens.forget(token)


async def _verify(sent: FastRequest, origin: Origin) -> Principal:
    """The caller of the token. Raises Unauthenticated and the other errors of ``authenticate_bearer``."""
    token = sent.token
    await load(token, lambda: verified_tokens.remember(token, authenticate_bearer(token, origin)))
    caller = verified_tokens.find_caller(token, sent.client_ip, sent.user_agent, process_now())
    if caller is None:
        raise TokenExpired
    require_network(caller, sent.client_ip)
    return caller


def _rate_limit_headers(name: str, retry_after: int | None = None) -> list[tuple[bytes, bytes]]:
    headers = throttle.headers(name, retry_after)
    return [(header.lower().encode(), value.encode()) for header, value in headers]


def _wait_until(until: float, call: Callable[[], object]) -> object:
    with lock_waits.waiting_until(until):
        return call()
