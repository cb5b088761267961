"""JSON requests to the provider, with limits on time, size and concurrency."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlencode

from accounts.errors import ProviderUnavailable
from kernel.runtime import ProcessState

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3.0, 5.0, 10.0
MAX_BYTES = 256 * 1024
MAX_WAITING = 2  # threads of a process that may wait for the provider, so that its outage does not occupy all


def _slots() -> BoundedSemaphore:
    return BoundedSemaphore(MAX_WAITING)


_requests = ProcessState(_slots)


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

    if fields is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        with (
            urllib3.PoolManager() as pool,
            pool.request(
                "GET" if fields is None else "POST",
                url,
                body=None if fields is None else urlencode(fields),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                redirect=False,
                retries=False,
                preload_content=False,
            ) as response,
        ):
            return response.status, _read_bounded(response)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ProviderUnavailable(f"the request failed: {type(error).__name__}") from None


def _read_bounded(response: Any) -> bytes:
    """The body. A deadline for the whole body: the timeout of the socket applies only to each of its parts."""
    deadline, content = time.monotonic() + TOTAL_SECONDS, bytearray()
    while part := response.read1(MAX_BYTES):
        content += part
        if len(content) > MAX_BYTES:
            raise ProviderUnavailable("its response is too large")
        if time.monotonic() > deadline:
            raise ProviderUnavailable("its response is too slow")
    return bytes(content)


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise ProviderUnavailable("its response is no JSON object")
    return members
