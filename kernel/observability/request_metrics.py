"""Django's metrics of requests."""

from functools import cache
from typing import Any, Final

from django_prometheus.middleware import PrometheusAfterMiddleware

# They are constant, or no operator needs them, and counting them costs more than finding the caller.
_OMITTED: Final = (
    "requests_body_bytes",
    "requests_by_transport",
    "responses_body_bytes",
    "responses_by_charset",
)


class RequestMetrics(PrometheusAfterMiddleware):  # type: ignore[misc]  # django_prometheus has no types
    """Omits some metrics. Looks up each combination of labels once, because a request counts six."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in _OMITTED:
            setattr(self.metrics, name, _Omitted())

    def label_metric(self, metric: Any, request: Any, response: Any = None, **labels: str) -> Any:  # noqa: ARG002 - the base class's signature
        return _child(metric, **labels) if labels else metric


class _Omitted:
    def labels(self, **_labels: str) -> "_Omitted":
        return self

    def inc(self) -> None:
        """Count nothing."""

    def observe(self, _value: float) -> None:
        """Count nothing."""


@cache
def _child(metric: Any, **labels: str) -> Any:
    return metric.labels(**labels)
