"""The endpoints of the service itself: liveness, readiness, health, metrics and version."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

import kernel
from accounts.tokens.authentication import admit_request
from ciphercanary import database_metrics, health_metrics
from console import health as health_checks
from console.health import DEGRADING, UNHEALTHY, VITAL, overall, read_health
from kernel import errors
from kernel.actions import METRICS_READ
from kernel.http import problems
from kernel.http.addresses import canonical_address
from kernel.http.allowed import is_allowed_host
from kernel.http.asgi_responses import AsgiResponse, Scope, early_response
from kernel.observability.process_endpoint import may_read_metrics

_READY = ("database", "migrations", "key_encryption_key", "commits")
_TEXT = "text/plain"
_FORWARDED = {"x-forwarded-for", "forwarded"}  # a proxy adds at least one of these headers
_NOT_IN_TIME = "# The database did not respond in time, so tokens cannot be checked.\n"

type _View = Callable[[HttpRequest], HttpResponse]


def endpoint(view: _View) -> _View:
    """A read-only view outside the API. Any other method gets 405 instead of an error about a missing CSRF token."""
    return csrf_exempt(require_safe(view))


@endpoint
def livez(_request: HttpRequest) -> HttpResponse:
    """The process responds. It checks nothing else, so that a slow database never causes a restart."""
    return HttpResponse("ok\n", _TEXT)


@endpoint
def readyz(_request: HttpRequest) -> HttpResponse:
    """200 if the database responds and confirms commits, every migration is applied and the key-encryption key opens
    its sentinel.
    """
    return _report_readiness()


def _report_readiness() -> HttpResponse:
    failing = [name for name, word in read_health(*_READY).items() if word == UNHEALTHY]
    if failing:
        return HttpResponse(f"not ready: {', '.join(failing)}\n", _TEXT, HTTPStatus.SERVICE_UNAVAILABLE)
    return HttpResponse("ready\n", _TEXT)


@endpoint
def health(_request: HttpRequest) -> HttpResponse:
    """The specified format. 503 if operations or changes fail, and degraded if only other services do."""
    return _report_health()


def _report_health() -> HttpResponse:
    words = read_health(*VITAL, *DEGRADING)
    return JsonResponse(_health(words), status=_status(words))


def _health(words: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "status": overall(words),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "services": words,
    }


def _status(words: Mapping[str, str]) -> HTTPStatus:
    return HTTPStatus.SERVICE_UNAVAILABLE if overall(words) == UNHEALTHY else HTTPStatus.OK


@endpoint
def version(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"name": "ciphercanary", "version": kernel.__version__})


@endpoint
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for ``CC_METRICS_NETWORKS``, but not through a proxy, or for a token with system.read."""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    if not _is_open_to(request.META.get("REMOTE_ADDR", ""), is_forwarded=is_forwarded):
        try:
            admit_request(request, "system.read", METRICS_READ)
        except errors.DomainError as error:
            return problems.render(request, error)
        except (OperationalError, InterfaceError):
            return HttpResponse(_NOT_IN_TIME, _TEXT, HTTPStatus.SERVICE_UNAVAILABLE)
    health_checks.begin()  # at the same time
    database_metrics.update()
    health_metrics.update()
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _is_open_to(peer: str, *, is_forwarded: bool) -> bool:
    """Whether the metrics need no token. Everyone can reach a proxy, and it may be in the networks itself."""
    return not is_forwarded and may_read_metrics(canonical_address(peer))


# --- responses for probes whose threads miss the deadline


def _fallback_livez(scope: Scope) -> AsgiResponse:
    return early_response(scope, HTTPStatus.OK, _TEXT, b"ok\n")


def _fallback_readyz(scope: Scope) -> AsgiResponse:
    return early_response(
        scope, HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"not ready: {', '.join(_READY)}\n".encode()
    )


def _fallback_health(scope: Scope) -> AsgiResponse:
    words = dict.fromkeys((*VITAL, *DEGRADING), UNHEALTHY)
    return early_response(scope, _status(words), "application/json", json.dumps(_health(words)).encode())


def _fallback_metrics(scope: Scope) -> AsgiResponse:
    headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
    if not is_allowed_host(headers.get("host", b"")):
        return early_response(scope, HTTPStatus.BAD_REQUEST, _TEXT, b"This host is not in ALLOWED_HOSTS.\n")
    peer = (scope.get("client") or ("",))[0]
    if not _is_open_to(str(peer), is_forwarded=not _FORWARDED.isdisjoint(headers)):
        return early_response(scope, HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, _NOT_IN_TIME.encode())
    database_metrics.invalidate()
    health_metrics.invalidate()
    export = ExportToDjangoView(HttpRequest())
    return early_response(scope, HTTPStatus.OK, export["Content-Type"], export.content)


REPORTS = {"/livez": None, "/readyz": _report_readiness, "/health": _report_health}
PROBES = {"/livez": _fallback_livez, "/readyz": _fallback_readyz, "/health": _fallback_health}
METRICS = {"/metrics": _fallback_metrics}  # separate threads, because tokens are looked up in the database
