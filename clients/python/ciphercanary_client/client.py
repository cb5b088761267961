"""The client."""

import os
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx

from ciphercanary_client import calls
from ciphercanary_client.calls import Call
from ciphercanary_client.connection import failure_of, options
from ciphercanary_client.data_key_cache import DEFAULT_LIMITS, DataKeyLimits
from ciphercanary_client.default_modes import DefaultModes
from ciphercanary_client.envelope import Envelope
from ciphercanary_client.errors import Error, error_of
from ciphercanary_client.files import StrPath, opened, replacing
from ciphercanary_client.models import DataKey, Key, Rotation, Signature
from ciphercanary_client.retries import DEFAULT_RETRIES, Attempts, Retries
from ciphercanary_client.transfers import Transfer, blocks

T = TypeVar("T")


class Client:
    """A connection to a CipherCanary server. Threads may share it.

    ``url`` and ``token`` default to the variables CIPHERCANARY_URL and CIPHERCANARY_TOKEN. ``timeout`` is in seconds,
    for connecting and for each wait for data. ``ca_file`` has the certificates to trust instead of the system's.
    ``transport`` replaces the connection, such as ``httpx.HTTPTransport(uds=...)`` for a Unix socket.

    A key is named by its id, or by ``name:`` and its name. Methods raise the errors of ``ciphercanary_client.errors``.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries = DEFAULT_RETRIES,
        ca_file: str | None = None,
        allow_http: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        arguments = options(
            url, token, timeout=timeout, ca_file=ca_file, allow_http=allow_http, transport=transport
        )
        self._http = httpx.Client(**arguments)
        self._retries = retries
        self._modes = DefaultModes()

    def __repr__(self) -> str:
        return f"Client({str(self._http.base_url)!r})"

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- messages

    def encrypt(self, key: str, data: bytes, aad: bytes = b"", *, mode: str | None = None) -> str:
        """The ciphertext as text. ``mode`` defaults to the first one of the key, which is read once from the server."""
        return self._send(calls.encrypt(key, data, aad, mode or self._default_mode(key, "encrypt")))

    def decrypt(self, ciphertext: str, aad: bytes = b"") -> bytes:
        """The plaintext. Raises DecryptionFailed."""
        return self._send(calls.decrypt(ciphertext, aad))

    def sign(self, key: str, message: bytes, mode: str | None = None) -> Signature:
        return self._send(calls.sign(key, message, mode or self._default_mode(key, "sign")))

    def verify(
        self,
        key: str,
        message: bytes,
        signature: bytes,
        mode: str | None = None,
        *,
        key_version: int | None = None,
    ) -> bool:
        """Whether the signature is valid. A Signature brings its own mode and version."""
        mode = mode or getattr(signature, "mode", None) or self._default_mode(key, "sign")
        version = key_version or getattr(signature, "key_version", None)
        return self._send(calls.verify(key, message, signature, mode, version))

    def mac(self, key: str, message: bytes) -> Signature:
        return self._send(calls.mac(key, message))

    def verify_mac(self, key: str, message: bytes, mac: bytes, *, key_version: int | None = None) -> bool:
        version = key_version or getattr(mac, "key_version", None)
        return self._send(calls.verify_mac(key, message, mac, version))

    # --- data keys

    def data_key(
        self,
        key: str,
        *,
        aad: bytes = b"",
        bits: int | None = None,
        key_pair: str | None = None,
        mode: str | None = None,
        plaintext: bool = True,
    ) -> DataKey:
        """A new data key, of 256 bits by default. ``key_pair`` names an asymmetric key algorithm instead."""
        return self._send(calls.data_key(key, aad, bits, key_pair, mode, with_plaintext=plaintext))

    def envelope(self, key: str, limits: DataKeyLimits = DEFAULT_LIMITS) -> Envelope:
        """Local encryption with data keys of ``key``, which stay in memory within ``limits``."""
        return Envelope(self, key, limits)

    # --- files

    def encrypt_file(self, key: str, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        """Encrypt a file on the server, in constant memory. ``target`` appears as a whole, or not at all."""
        self._transfer(Transfer.encryption(key, aad), source, target)

    def decrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        """Decrypt a file on the server, likewise. Only its owner can read ``target``."""
        self._transfer(Transfer.decryption(aad), source, target)

    # --- keys

    def create_key(self, name: str, algorithm: str = "aes-256", **members: Any) -> Key:
        """``members`` are further ones of the request, such as ``purpose`` or ``tags``."""
        return self._send(calls.create_key(name, algorithm, members))

    def keys(self, **filters: str) -> Iterator[Key]:
        """All keys that the caller sees, page by page. ``filters`` are those of the list, such as ``status``."""
        page, more = 1, True
        while more:
            found, more = self._send(calls.keys_page(page, filters))
            yield from found
            page += 1

    def key(self, reference: str) -> Key:
        return self._send(calls.key(reference))

    def rotate(self, key: str, reason: str, *, expected_version: int | None = None) -> Rotation:
        """Create a new primary version. The audit log keeps ``reason``."""
        return self._send(calls.rotate(key, reason, expected_version))

    # --- everything else

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Any request of the API, such as ``call("POST", "/api/v1/derive", {...})``. Returns the JSON value.

        If the server may have executed the request, only GET is sent again, and requests with an ``idempotency_key``.
        """
        return self._send(calls.any_request(method, path, body, query, idempotency_key))

    def text(self, path: str) -> str:
        """A document of the API that is plain text."""
        return self._send(calls.text(path))

    def _default_mode(self, key: str, purpose: str) -> str:
        return self._modes.get(key, purpose) or self._modes.put(key, purpose, self.key(key))

    def _send(self, call: Call[T]) -> T:
        attempts = Attempts(self._retries, is_repeatable=call.is_repeatable)
        while True:
            try:
                response = self._http.request(
                    call.method, call.path, json=call.body, params=call.query, headers=call.headers
                )
                return call.result_of(response.status_code, response.headers, response.content)
            except httpx.HTTPError as error:
                failure: Error = failure_of(error, self._http.base_url)
            except Error as error:
                failure = error
            time.sleep(attempts.pause_after(failure))

    def _transfer(self, transfer: Transfer, source: StrPath, target: StrPath) -> None:
        attempts = Attempts(self._retries)
        while True:
            try:
                return self._transfer_once(transfer, source, target)
            except httpx.HTTPError as error:
                failure: Error = failure_of(error, self._http.base_url)
            except Error as error:
                failure = error
            time.sleep(attempts.pause_after(failure))

    def _transfer_once(self, transfer: Transfer, source: StrPath, target: StrPath) -> None:
        with opened(source) as given, replacing(target, transfer.mode) as made:
            headers = {**transfer.headers, "Content-Length": str(os.fstat(given.fileno()).st_size)}
            with self._http.stream(
                "POST", transfer.path, params=transfer.query, headers=headers, content=blocks(given)
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise error_of(response.status_code, response.headers, response.read())
                for block in response.iter_raw():
                    made.write(block)
            transfer.require_complete(given, made.tell())
