"""The endpoints of the service itself: is it alive, is it well, what does it count, which version is it."""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

import ciphercanary
from accounts.authentication import authenticate_request
from audit.lag import set_gauges
from ciphercanary import errors, problems
from ciphercanary.http import in_context
from ciphercanary.jobs import count_by_status
from ciphercanary.metrics import active_keys_total, jobs
from console.health import HEALTHY, NOT_CONFIGURED, UNHEALTHY, look
from keys.services import count_keys_that_protect

VITAL = ("database", "audit", "key_encryption_key")

type View = Callable[[HttpRequest], HttpResponse]


def endpoint(view: View) -> View:
    """A reading view outside the API. It changes nothing, so another method is 405 and not a missing CSRF token."""
    return csrf_exempt(require_safe(view))


@endpoint
def livez(_request: HttpRequest) -> HttpResponse:
    """The process answers: nothing else is asked, so that a slow database never gets it restarted."""
    return HttpResponse("ok\n", "text/plain")


@endpoint
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 once the database answers, every migration is in and the key-encryption key opens its sentinel."""
    failing = [name for name in ("database", "migrations", "key_encryption_key") if look(name) == UNHEALTHY]
    if failing:
        return HttpResponse(
            f"not ready: {', '.join(failing)}\n", "text/plain", HTTPStatus.SERVICE_UNAVAILABLE
        )
    return HttpResponse("ready\n", "text/plain")


@endpoint
def health(_request: HttpRequest) -> JsonResponse:
    """The specification's shape. Only what the answers depend on makes it 503; the rest gone is degraded."""
    services = {name: look(name) for name in (*VITAL, "sequencer", "redis")}
    vital = UNHEALTHY in {services[name] for name in VITAL}
    is_well = set(services.values()) <= {HEALTHY, NOT_CONFIGURED}
    status = UNHEALTHY if vital else HEALTHY if is_well else "degraded"
    body = {
        "status": status,
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "services": services,
    }
    return JsonResponse(body, status=HTTPStatus.SERVICE_UNAVAILABLE if vital else HTTPStatus.OK)


@endpoint
def version(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"name": "ciphercanary", "version": ciphercanary.__version__})


@endpoint
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for loopback, the networks of ``CC_METRICS_NETWORKS``, or a token with system.read."""
    if not _in_metrics_networks(request):
        try:
            authenticate_request(request).require("system.read")
        except errors.DomainError as error:
            return problems.render(request, error)
    _measure()
    answer: HttpResponse = ExportToDjangoView(request)
    return answer


def _measure() -> None:
    active_keys_total.set(count_keys_that_protect())
    set_gauges()
    for kind, statuses in count_by_status().items():
        for status, count in statuses.items():
            jobs.labels(kind, status).set(count)


def _in_metrics_networks(request: HttpRequest) -> bool:
    address = ipaddress.ip_address(in_context(request).client_ip or "0.0.0.0")  # noqa: S104 - "unknown" is in no network
    return any(address in ipaddress.ip_network(network) for network in settings.CC_METRICS_NETWORKS)
