"""The health checks as metrics. The web server runs them when it is scraped, as for ``/health``."""

from collections.abc import Mapping

from console import health
from kernel.clock import clock_skew
from kernel.observability.metrics import SCRAPE_SECONDS, clock_skew_seconds, health_check


def update() -> None:
    """Set the result of every check, also of one that is only registered. Without a result in time, it is 0."""
    _set(health.read_health(*health.names(), seconds=SCRAPE_SECONDS))


def invalidate() -> None:
    """The server could not read the results. As for ``/health``, all checks then fail."""
    _set(dict.fromkeys(health.names(), health.UNHEALTHY))


def _set(words: Mapping[str, str]) -> None:
    for name, word in words.items():
        health_check.labels(name).set(health.is_well(word))
    clock_skew_seconds.set(clock_skew())
