"""JSON requests to the provider, with limits on time, size and concurrency."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlencode

from accounts.errors import ProviderUnavailable
from kernel.http.outgoing import CONNECT_SECONDS, ExchangeFailed, read_bounded, requested
from kernel.runtime import ProcessState

_MAX_BYTES = 256 * 1024
_MAX_WAITING = (
    2  # threads of a process that may wait for the provider, so that its outage does not occupy all
)
_requests = ProcessState(lambda: BoundedSemaphore(_MAX_WAITING))


def fetch(
    url: str, *, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of a GET, or of a POST with form ``fields``. Raises ProviderUnavailable.

    Certificates are verified against the system's authorities. A redirect is an error.
    """
    if not _requests.current.acquire(timeout=CONNECT_SECONDS):
        raise ProviderUnavailable("too many requests wait for it")
    try:
        status, content = _exchange(url, fields, {"Accept": "application/json", **(headers or {})})
    finally:
        _requests.current.release()
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    if is_redirect or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ProviderUnavailable(f"it responded with status {status}")
    return status, _read_object(content)


def _exchange(url: str, fields: Mapping[str, str] | None, headers: dict[str, str]) -> tuple[int, bytes]:
    import urllib3  # noqa: PLC0415 - loaded only if the sign-in is used

    method, body = ("GET", None) if fields is None else ("POST", urlencode(fields))
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        with requested(urllib3.PoolManager(), method, url, body=body, headers=headers) as response:
            return response.status, read_bounded(response, _MAX_BYTES)
    except ExchangeFailed as error:
        raise ProviderUnavailable(f"the request failed: {error.reason}") from None


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise ProviderUnavailable("its response is no JSON object")
    return members
