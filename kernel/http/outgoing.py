"""Requests to servers of others: limits on time and size, no redirects, no retries, and no proxy of the environment."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager
    from urllib3.connectionpool import HTTPConnectionPool

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 10.0


class ExchangeFailed(Exception):
    """The exchange failed. ``reason`` is a fixed word; the text of the cause may quote a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def requested(
    pool: "PoolManager | HTTPConnectionPool",
    method: str,
    url: str,
    *,
    body: str | bytes | None,
    headers: Mapping[str, str],
    read_seconds: float = READ_SECONDS,
) -> "Iterator[BaseHTTPResponse]":
    """The response, whose body is not read yet. Closes the pool at the end. Raises ExchangeFailed."""
    import urllib3  # noqa: PLC0415 - loaded only if it is used

    began = time.monotonic()
    try:
        with (
            pool,
            pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
                redirect=False,
                retries=False,
                preload_content=False,
            ) as response,
        ):
            yield response
    except (urllib3.exceptions.HTTPError, OSError) as error:
        is_late = time.monotonic() - began >= TOTAL_SECONDS  # its deadline may look like a lost connection
        raise ExchangeFailed("timeout" if is_late else _reason_of(error)) from None


def read_bounded(response: "BaseHTTPResponse", max_bytes: int) -> bytes:
    """The body. Raises ExchangeFailed.

    The deadline covers the whole body, because the timeout of a socket applies to each part only.
    """
    deadline, content = time.monotonic() + TOTAL_SECONDS, bytearray()
    while part := response.read1(max_bytes):
        content += part
        if len(content) > max_bytes:
            raise ExchangeFailed("response_too_large")
        if time.monotonic() > deadline:
            raise ExchangeFailed("timeout")
    return bytes(content)


def _reason_of(error: Exception) -> str:
    from urllib3 import exceptions  # noqa: PLC0415 - loaded only if it is used

    if isinstance(error, exceptions.NameResolutionError):  # also a NewConnectionError
        return "name_not_resolved"
    if isinstance(error, exceptions.NewConnectionError):  # also a TimeoutError
        return "connection_failed"
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return "timeout"
    return "tls_failed" if isinstance(error, exceptions.SSLError) else "connection_failed"
