"""The export of spans over OTLP (HTTP and protobuf). The SDK reads the standard ``OTEL_`` variables.

No request waits for the collector: a span that finds the queue full is dropped and counted, and so is a batch that
the collector does not accept.
"""

import threading
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer
from opentelemetry.util.re import parse_env_headers

import kernel
from kernel.observability.metrics import trace_spans_dropped_total

CLOSE_SECONDS: Final = 3.0


class Export:
    """A tracer, its queue, and the thread that sends the spans."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create(
            {"service.name": settings.OTEL_SERVICE_NAME, "service.version": kernel.__version__}
        )
        # The SDK's own default would obey a client's "not sampled", which hides its requests from the traces.
        sampler = ALWAYS_ON if settings.OTEL_TRACES_SAMPLER == "always_on" else None
        self._provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        # The SDK would not read the file that OTEL_EXPORTER_OTLP_HEADERS_FILE names.
        headers = parse_env_headers(settings.OTEL_EXPORTER_OTLP_HEADERS, liberal=True)
        exporter = exporter or OTLPSpanExporter(headers=headers)
        self._provider.add_span_processor(_Queue(_CountingExporter(exporter)))
        self.tracer: Tracer = self._provider.get_tracer("ciphercanary", kernel.__version__)

    def close(self) -> None:
        """Export what waits. A collector that does not respond delays this by at most ``CLOSE_SECONDS``."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans-closing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class _CountingExporter(SpanExporter):
    """Counts the spans that ``exporter`` could not deliver, and those that have left the queue."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self._waiting = 0

    def admit(self, limit: int) -> bool:
        """Whether the queue has room for one more span."""
        with self._lock:
            has_room = self._waiting < limit
            self._waiting += has_room
            return has_room

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            self._waiting -= len(spans)
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            trace_spans_dropped_total.labels("not_delivered").inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Queue(BatchSpanProcessor):
    """The SDK's queue. It drops the newest span instead of the oldest, so that the count is exact."""

    def __init__(self, exporter: _CountingExporter) -> None:
        self._limit: int = self._default_max_queue_size()  # type: ignore[no-untyped-call]  # the SDK does not type it
        self._exporter = exporter
        super().__init__(exporter, max_queue_size=self._limit)

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.context and span.context.trace_flags.sampled):
            return
        if self._exporter.admit(self._limit):
            super().on_end(span)
        else:
            trace_spans_dropped_total.labels("queue_full").inc()
