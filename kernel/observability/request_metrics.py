"""Django's metrics of requests."""

from functools import cache
from typing import Any

from django_prometheus.middleware import PrometheusAfterMiddleware


class RequestMetrics(PrometheusAfterMiddleware):  # type: ignore[misc]  # django_prometheus has no types
    """Looks each combination of labels up once, because a request uses eight of them."""

    def label_metric(self, metric: Any, request: Any, response: Any = None, **labels: str) -> Any:  # noqa: ARG002 - the base class's signature
        return _child(metric, **labels) if labels else metric


@cache
def _child(metric: Any, **labels: str) -> Any:
    return metric.labels(**labels)
