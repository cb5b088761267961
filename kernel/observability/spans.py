"""OpenTelemetry spans of requests, SQL and jobs, and their export over OTLP. Loaded only if traces are on.

A span has a fixed name and the attributes of ``Attribute``, which contain no secrets: a route instead of a path, a
statement without its parameters, the type of an exception without its text. Use ``kernel.observability.tracing`` in
code that also runs without traces.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Any, Final

from django.db import connection
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kernel.observability.span_export import Export
from kernel.observability.tracing import Pending
from kernel.runtime import ProcessState

SPAN: Final = "ciphercanary.span"  # in a scope: the span of a request that the fast path has declined
_SERVER_ERROR: Final = 500
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD: Final = "_OTHER"  # a client may send any word
_MAX_STATEMENT: Final = 2000  # characters
_LITERAL: Final = re.compile(r"'(?:[^']|'')*(?:'|$)")  # also one that the limit has cut
_TABLE: Final = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?(\w+)"?', re.IGNORECASE)
_FIRST_WORD: Final = re.compile(r"[A-Za-z]+")


class Attribute(StrEnum):
    """The only attributes of spans. Names without our prefix are those of OpenTelemetry's conventions or of ECS."""

    METHOD = "http.request.method"
    ROUTE = "http.route"
    STATUS = "http.response.status_code"
    REQUEST_ID = "http.request.id"
    ERROR = "error.type"
    DATABASE = "db.system.name"
    OPERATION = "db.operation.name"
    STATEMENT = "db.query.text"
    ALGORITHM = "ciphercanary.algorithm"
    JOB_KIND = "ciphercanary.job.kind"
    JOB_ID = "ciphercanary.job.id"
    JOB_ATTEMPT = "ciphercanary.job.attempt"


_export = ProcessState(Export)
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def close() -> None:
    """Export the waiting spans within ``span_export.CLOSE_SECONDS``, and end the thread."""
    _export.drop()


@contextmanager
def active(span: Span) -> Iterator[None]:
    """Make the span the current one inside the block, without ending it."""
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def untraced() -> Iterator[None]:
    """Inside the block there is no current span, and statements get none."""
    token = context.attach(context.Context())
    try:
        yield
    finally:
        context.detach(token)


def leave() -> None:
    """Make no span the current one, for the rest of the task or thread."""
    context.attach(context.Context())


def note(attribute: Attribute, value: str | int) -> None:
    """Set an attribute of the current span."""
    trace.get_current_span().set_attribute(attribute, value)


def note_error(error: BaseException, span: Span | None = None) -> None:
    """Mark the span (the current one by default) as failed, with the type of the exception only."""
    failed = span or trace.get_current_span()
    failed.set_attribute(Attribute.ERROR, type(error).__name__)
    failed.set_status(StatusCode.ERROR)


# --- requests


def begin_request(method: str, route: str, traceparent: bytes) -> Span:
    """A span of a request. ``route`` is "" if it is not known yet; see ``set_route``.

    ``traceparent`` is the client's header (W3C Trace Context), or empty. An invalid one begins a new trace.
    """
    parent = None
    if traceparent:
        parent = _PROPAGATOR.extract({"traceparent": traceparent.decode("latin-1")}, context.Context())
    word = _known(method)
    attributes: dict[str, str] = {Attribute.METHOD: word}
    if route:
        attributes[Attribute.ROUTE] = route
    name = f"{word} {route}".rstrip()
    return _export.current.tracer.start_span(name, parent or context.Context(), SpanKind.SERVER, attributes)


def set_route(span: Span, method: str, route: str) -> None:
    """Name the span after the route, a path with its parameters as placeholders."""
    span.update_name(f"{_known(method)} {route}")
    span.set_attribute(Attribute.ROUTE, route)


def _known(method: str) -> str:
    return method if method in _METHODS else _OTHER_METHOD


def set_response(span: Span, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Set the status and the request id of the response. Only 5xx mark the span as failed."""
    attributes: dict[str, str | int] = {Attribute.STATUS: status}
    for name, value in headers:
        if name == b"x-request-id":
            attributes[Attribute.REQUEST_ID] = value.decode("latin-1")
    span.set_attributes(attributes)
    if status >= _SERVER_ERROR:
        span.set_status(StatusCode.ERROR)


# --- work inside requests and jobs


def bound[**P, T](call: Callable[P, T]) -> Callable[P, T]:
    """The call with the span that is current here, and with spans of its SQL, for another thread."""
    here = trace.get_current_span()

    @wraps(call)
    def in_span(*args: P.args, **options: P.kwargs) -> T:
        with active(here), traced_statements():
            return call(*args, **options)

    return in_span


def with_attribute[**P, T](
    attribute: Attribute, value_of: Callable[..., str], call: Callable[P, T]
) -> Callable[P, T]:
    """The call, which also sets an attribute of the current span."""

    @wraps(call)
    def noted(*args: P.args, **options: P.kwargs) -> T:
        note(attribute, value_of(*args, **options))
        return call(*args, **options)

    return noted


def until_done[**P, F: Pending](name: str, begin: Callable[P, F]) -> Callable[P, F]:
    """``begin``, with a span that ends when the returned future is done. No span outside a recorded one."""

    @wraps(begin)
    def with_span(*args: P.args, **options: P.kwargs) -> F:
        if not trace.get_current_span().is_recording():
            return begin(*args, **options)
        span = _export.current.tracer.start_span(name)
        try:
            future = begin(*args, **options)
        except Exception as error:
            note_error(error, span)
            span.end()
            raise
        future.add_done_callback(lambda _: span.end())
        return future

    return with_span


@contextmanager
def job(kind: str, job_id: str, attempt: int, request_id: str) -> Iterator[None]:
    """A trace of one attempt of a job. ``request_id`` is the request that submitted it, or ""."""
    attributes: dict[str, str | int] = {
        Attribute.JOB_KIND: kind,
        Attribute.JOB_ID: job_id,
        Attribute.JOB_ATTEMPT: attempt,
    }
    if request_id:
        attributes[Attribute.REQUEST_ID] = request_id
    span = _export.current.tracer.start_span(f"job {kind}", context.Context(), SpanKind.CONSUMER, attributes)
    try:
        with active(span), traced_statements():
            yield
    finally:
        span.end()


# --- SQL


def traced_statements() -> AbstractContextManager[None]:
    """Create a span for each statement of this thread's connection inside the block, if the span is recorded."""
    if not trace.get_current_span().is_recording():
        return nullcontext()
    return connection.execute_wrapper(_execute)


def _execute(execute: Callable[..., Any], sql: Any, params: Any, many: Any, about: Mapping[str, Any]) -> Any:
    if not trace.get_current_span().is_recording():  # inside ``untraced``
        return execute(sql, params, many, about)
    # A statement that psycopg composes from parts may contain values.
    name, operation, statement = _describe(sql[:_MAX_STATEMENT] if isinstance(sql, str) else "")
    attributes: dict[str, str] = {
        Attribute.DATABASE: about["connection"].vendor,
        Attribute.OPERATION: operation,
        Attribute.STATEMENT: statement,
    }
    span = _export.current.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
    try:
        return execute(sql, params, many, about)
    except Exception as error:
        note_error(error, span)
        raise
    finally:
        span.end()


@lru_cache(256)
def _describe(sql: str) -> tuple[str, str, str]:
    """A name, the operation, and the statement with its placeholders and without literal texts."""
    statement = _LITERAL.sub("?", sql)
    word, table = _FIRST_WORD.search(statement), _TABLE.search(statement)
    operation = word[0].upper() if word else "SQL"
    return (f"{operation} {table[1]}" if table else operation), operation, statement
