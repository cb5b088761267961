"""The switch of traces. Without ``OTEL_EXPORTER_OTLP_ENDPOINT``, nothing of OpenTelemetry is loaded.

Each function here returns its argument unchanged, or does nothing, while traces are off. ``kernel.observability.spans``
has the work.
"""

# ruff: noqa: PLC0415 - the spans are loaded only if traces are on

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import Any, Protocol

from django.conf import settings


def keep_unloaded() -> None:
    """Make imports of OpenTelemetry fail in this process. redis-py would load it if it can: 2 MB, and 0.2 seconds."""
    sys.modules["opentelemetry"] = None  # type: ignore[assignment]  # Python's mark of a module that must not load


class Pending(Protocol):
    """A future of a thread or of an event loop."""

    def add_done_callback(self, function: Callable[[Any], object], /) -> None: ...


def traced_wait[**P, F: Pending](name: str) -> Callable[[Callable[P, F]], Callable[P, F]]:
    """Decorate a function that returns a future: a span with this name lasts until the future is done."""

    def decorate(begin: Callable[P, F]) -> Callable[P, F]:
        if not settings.CC_TRACES:
            return begin
        from kernel.observability import spans

        return spans.until_done(name, begin)

    return decorate


def with_attribute[**P, T](
    attribute: str, value_of: Callable[..., str]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function: each call sets this attribute of the current span, from the arguments."""

    def decorate(call: Callable[P, T]) -> Callable[P, T]:
        if not settings.CC_TRACES:
            return call
        from kernel.observability import spans

        return spans.with_attribute(spans.Attribute(attribute), value_of, call)

    return decorate


def bound[**P, T](call: Callable[P, T]) -> Callable[P, T]:
    """The call with the current span, for another thread."""
    if not settings.CC_TRACES:
        return call
    from kernel.observability import spans

    return spans.bound(call)


def without_span() -> Context:
    """A copy of the current context for a task that outlives the current span."""
    here = copy_context()
    if settings.CC_TRACES:
        from kernel.observability import spans

        here.run(spans.leave)
    return here


def untraced() -> AbstractContextManager[None]:
    """Inside the block, nothing creates spans or changes the current one."""
    if not settings.CC_TRACES:
        return nullcontext()
    from kernel.observability import spans

    return spans.untraced()


def job(kind: str, job_id: str, attempt: int, request_id: str) -> AbstractContextManager[None]:
    """A trace of one attempt of a job; see ``kernel.observability.spans.job``."""
    if not settings.CC_TRACES:
        return nullcontext()
    from kernel.observability import spans

    return spans.job(kind, job_id, attempt, request_id)


def note_error(error: BaseException) -> None:
    """Mark the current span as failed."""
    if settings.CC_TRACES:
        from kernel.observability import spans

        spans.note_error(error)


def close() -> None:
    """Export the waiting spans, for a limited time."""
    if settings.CC_TRACES:
        from kernel.observability import spans

        spans.close()
