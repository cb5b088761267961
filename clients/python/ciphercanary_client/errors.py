"""The errors of the client. None of them contains a token, a plaintext or key bytes."""

import json
from collections.abc import Mapping
from typing import Any

from ciphercanary_client.retry_after import retry_after_seconds


class Error(Exception):
    """Base of all errors of this package, except ValueError and TypeError for wrong arguments."""


class ConnectionFailed(Error):
    """No complete response arrived. ``was_sent`` is false if the request certainly did not reach the server."""

    def __init__(self, detail: str, was_sent: bool = True) -> None:  # noqa: FBT001, FBT002 - pickle passes it so
        super().__init__(detail, was_sent)
        self.detail = detail
        self.was_sent = was_sent

    def __str__(self) -> str:
        return self.detail


class DecryptionFailed(Error):
    """The ciphertext does not open: it was altered or truncated, or the key or the aad is another one."""


class VerificationFailed(Error):
    """The audit log contradicts its signatures, or an earlier checkpoint."""


class ApiError(Error):
    """A response that is no success (RFC 9457).

    ``status`` is that of HTTP. ``errors`` maps a field to its messages. ``retry_after`` is in seconds, or None.
    ``members`` are all members of the problem document, such as ``rule`` or ``successor_id``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Mapping[str, list[str]] | None = None,
        request_id: str = "",
        retry_after: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, code, detail, errors, request_id, retry_after, members)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors or {}
        self.request_id = request_id
        self.retry_after = retry_after
        self.members = members or {}

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.detail} ({self.status} {self.code}{request})"


class InvalidRequest(ApiError):
    """400, 413, 415 and other errors in the request itself."""


class CiphertextRefused(InvalidRequest, DecryptionFailed):
    """The server could not open the ciphertext."""


class AuthenticationFailed(ApiError):
    """401: the token is missing, wrong, expired or revoked."""


class PermissionDenied(ApiError):
    """403: ``members["rule"]`` names the rule that decided."""


class NotFound(ApiError):
    """404: the object does not exist, or is hidden from the caller."""


class Conflict(ApiError):
    """409, 412: the state of the object forbids it."""


class Refused(ApiError):
    """422: a limit or a policy forbids it."""


class Throttled(ApiError):
    """429: too many requests."""


class ServerFailed(ApiError):
    """500 and other errors of the server."""


class Unavailable(ServerFailed):
    """502, 503, 504: the server, or the proxy in front of it, cannot respond now."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    422: Refused,
    429: Throttled,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_DOES_NOT_OPEN = {"decryption_failed", "malformed_ciphertext"}
_SERVER_ERRORS = 500
MAX_TEXT = 500  # of a text from a response, in characters


def error_of(status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """The error for a response that is no success. Anything but a problem document gives the code ``http_STATUS``."""
    problem = _problem(headers, content)
    code = _text(problem.get("code")) or f"http_{status}"
    detail = _text(problem.get("detail")) or f"The server responded with the HTTP status {status}."
    fields = problem.get("errors")
    return _class_of(status, code)(
        status,
        code,
        detail,
        fields if isinstance(fields, dict) else None,
        _text(problem.get("request_id")) or _text(headers.get("x-request-id")),
        retry_after_seconds(headers.get("retry-after")),
        problem,
    )


def _class_of(status: int, code: str) -> type[ApiError]:
    if code in _DOES_NOT_OPEN:
        return CiphertextRefused
    return _BY_STATUS.get(status, ServerFailed if status >= _SERVER_ERRORS else InvalidRequest)


def _problem(headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    if not headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = json.loads(content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""
