"""The requests of the API as values: each function builds one, with the function that reads its response.

Nothing here sends anything, so the client and the asynchronous client share it.
"""

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ciphercanary_client.errors import ApiError, error_of
from ciphercanary_client.models import DataKey, Key, Rotation, Signature

T = TypeVar("T")

_KEY = re.compile(r"name:[0-9a-z-]{3,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[ !#-\[\]-~]{1,255}")
_SUCCESS = range(200, 300)
_PAGE_SIZE = 100


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. ``is_repeatable``: executing it twice does no harm."""

    method: str
    path: str
    read: Callable[[Any], T] = field(repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True

    def result_of(self, status: int, headers: Mapping[str, str], content: bytes) -> T:
        """The value of a complete response; raises ApiError. ``headers`` finds names in any case."""
        if status not in _SUCCESS:
            raise error_of(status, headers, content)
        with suppress(
            ValueError, KeyError, TypeError, AttributeError
        ):  # as a context they would keep the content
            return self.read(json.loads(content) if content else None)
        detail = "The response is not that of a CipherCanary server. Check the URL."
        raise ApiError(status, "unexpected_answer", detail)


def any_request(
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    query: Mapping[str, str] | None,
    idempotency_key: str | None,
) -> Call[Any]:
    """A request that has no method of its own. Its response is the JSON value, or None without a body.

    Raises ValueError for a URL of another server, and for an idempotency key that the header cannot have.
    """
    if idempotency_key and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise ValueError(
            "An idempotency key has 1 to 255 printable ASCII characters, without quotes and backslashes."
        )
    headers = {"Idempotency-Key": f'"{idempotency_key}"'} if idempotency_key else {}
    is_repeatable = method in {"GET", "HEAD"} or bool(idempotency_key)
    return Call(method, _server_path(path), lambda value: value, body, query or {}, headers, is_repeatable)


def text(path: str) -> Call[str]:
    """A document that is plain text. Raises ValueError for a URL of another server."""
    return TextCall("GET", _server_path(path), str, headers={"Accept": "text/plain"})


class TextCall(Call[str]):
    def result_of(self, status: int, headers: Mapping[str, str], content: bytes) -> str:
        if status not in _SUCCESS:
            raise error_of(status, headers, content)
        return content.decode(errors="replace")


def encrypt(key: str, data: bytes, aad: bytes, mode: str) -> Call[str]:
    body = {"key_id": key, "algorithm": mode, "data": _base64(data), **_aad(aad)}
    return Call("POST", "/api/v1/encrypt", lambda response: str(response["ciphertext"]), body)


def decrypt(ciphertext: str, aad: bytes) -> Call[bytes]:
    body = {"ciphertext": ciphertext, **_aad(aad)}
    return Call("POST", "/api/v1/decrypt", lambda response: _octets(response["data"]), body)


def sign(key: str, message: bytes, mode: str) -> Call[Signature]:
    body = {"key_id": key, "signing_algorithm": mode, "message": _base64(message)}
    return Call("POST", "/api/v1/sign", _reader("signature", "signing_algorithm"), body)


def verify(key: str, message: bytes, signature: bytes, mode: str, key_version: int | None) -> Call[bool]:
    body = {
        "key_id": key,
        "signing_algorithm": mode,
        "message": _base64(message),
        "signature": _base64(signature),
        **_given(key_version=key_version),
    }
    return Call("POST", "/api/v1/verify", _is_valid, body)


def mac(key: str, message: bytes) -> Call[Signature]:
    body = {"key_id": key, "message": _base64(message)}
    return Call("POST", "/api/v1/mac", _reader("mac", "algorithm"), body)


def verify_mac(key: str, message: bytes, code: bytes, key_version: int | None) -> Call[bool]:
    body = {
        "key_id": key,
        "message": _base64(message),
        "mac": _base64(code),
        **_given(key_version=key_version),
    }
    return Call("POST", "/api/v1/mac/verify", _is_valid, body)


def data_key(
    key: str, aad: bytes, bits: int | None, key_pair: str | None, mode: str | None, *, with_plaintext: bool
) -> Call[DataKey]:
    body = {
        "key_id": key,
        **_aad(aad),
        **_given(bits=bits, key_pair=key_pair, algorithm=mode),
        **({} if with_plaintext else {"plaintext": False}),
    }

    def read(response: Any) -> DataKey:
        return DataKey(
            ciphertext=str(response["ciphertext"]),
            plaintext=_octets(response["plaintext"]) if with_plaintext else None,
            mode=str(response["algorithm"]),
            key_id=str(response["key_id"]),
            key_version=int(response["key_version"]),
            public_key=_octets(response["public_key"]) if key_pair else None,
        )

    return Call("POST", "/api/v1/data-keys", read, body)


def create_key(name: str, algorithm: str, members: Mapping[str, Any]) -> Call[Key]:
    body = {"name": name, "algorithm": algorithm, **members}
    return Call("POST", "/api/v1/keys", _key, body, headers=_idempotency_key())


def keys_page(page: int, filters: Mapping[str, str]) -> Call[tuple[list[Key], bool]]:
    """The keys of one page, and whether another page follows."""
    query = {**filters, "page": str(page), "limit": str(_PAGE_SIZE)}
    return Call(
        "GET",
        "/api/v1/keys",
        lambda response: ([_key(each) for each in response["results"]], response["next"] is not None),
        query=query,
    )


def key(reference: str) -> Call[Key]:
    return Call("GET", _key_path(reference), _key)


def rotate(reference: str, reason: str, expected_version: int | None) -> Call[Rotation]:
    body = {"reason": reason, **_given(expected_version=expected_version)}

    def read(response: Any) -> Rotation:
        versions = int(response["old_version"]), int(response["new_version"])
        return Rotation(str(response["id"]), str(response["new_key_id"]), *versions, response)

    return Call("POST", f"{_key_path(reference)}/rotate", read, body, headers=_idempotency_key())


def _server_path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("A path begins with one slash, such as /api/v1/keys.")
    return path


def _key_path(reference: str) -> str:
    """Raises ValueError for a text that would change the path of the request."""
    if not _KEY.fullmatch(reference):
        raise ValueError("A key is named by its id, or by name: and its name, such as name:orders.")
    return f"/api/v1/keys/{reference}"


def _key(response: Any) -> Key:
    return Key(
        id=str(uuid.UUID(response["id"])),
        name=str(response["name"]),
        algorithm=str(response["algorithm"]),
        purpose=str(response["purpose"]),
        status=str(response["status"]),
        modes=tuple(response["modes"]),
        operations=tuple(response["operations"]),
        primary_version=int(response["primary_version"]),
        members=response,
    )


def _reader(member: str, mode: str) -> Callable[[Any], Signature]:
    def read(response: Any) -> Signature:
        octets, version = _octets(response[member]), int(response["key_version"])
        return Signature.of(octets, str(response[mode]), str(response["key_id"]), version)

    return read


def _is_valid(response: Any) -> bool:
    if not isinstance(valid := response["valid"], bool):
        raise TypeError("valid is true or false")
    return valid


def _idempotency_key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


def _given(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _aad(aad: bytes) -> dict[str, str]:
    return {"aad": _base64(aad)} if aad else {}


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(value: str) -> bytes:
    return base64.b64decode(value, validate=True)
