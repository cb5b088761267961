"""The asynchronous client, for asyncio. Its methods are those of Client."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import IO, Any, TypeVar

import httpx

from ciphercanary_client import calls
from ciphercanary_client.async_envelope import AsyncEnvelope
from ciphercanary_client.async_files import replacing
from ciphercanary_client.calls import Call
from ciphercanary_client.connection import failure_of, options
from ciphercanary_client.data_key_cache import DEFAULT_LIMITS, DataKeyLimits
from ciphercanary_client.default_modes import DefaultModes
from ciphercanary_client.errors import Error, error_of
from ciphercanary_client.files import BLOCK_SIZE, StrPath, opened
from ciphercanary_client.models import DataKey, Key, Rotation, Signature
from ciphercanary_client.retries import DEFAULT_RETRIES, Attempts, Retries
from ciphercanary_client.transfers import Transfer

T = TypeVar("T")


class AsyncClient:
    """A connection to a CipherCanary server, with the arguments and methods of Client. Tasks may share it."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        retries: Retries = DEFAULT_RETRIES,
        ca_file: str | None = None,
        allow_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        arguments = options(
            url, token, timeout=timeout, ca_file=ca_file, allow_http=allow_http, transport=transport
        )
        self._http = httpx.AsyncClient(**arguments)
        self._retries = retries
        self._modes = DefaultModes()

    def __repr__(self) -> str:
        return f"AsyncClient({str(self._http.base_url)!r})"

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # --- messages

    async def encrypt(self, key: str, data: bytes, aad: bytes = b"", *, mode: str | None = None) -> str:
        return await self._send(
            calls.encrypt(key, data, aad, mode or await self._default_mode(key, "encrypt"))
        )

    async def decrypt(self, ciphertext: str, aad: bytes = b"") -> bytes:
        return await self._send(calls.decrypt(ciphertext, aad))

    async def sign(self, key: str, message: bytes, mode: str | None = None) -> Signature:
        return await self._send(calls.sign(key, message, mode or await self._default_mode(key, "sign")))

    async def verify(
        self,
        key: str,
        message: bytes,
        signature: bytes,
        mode: str | None = None,
        *,
        key_version: int | None = None,
    ) -> bool:
        mode = mode or getattr(signature, "mode", None) or await self._default_mode(key, "sign")
        version = key_version or getattr(signature, "key_version", None)
        return await self._send(calls.verify(key, message, signature, mode, version))

    async def mac(self, key: str, message: bytes) -> Signature:
        return await self._send(calls.mac(key, message))

    async def verify_mac(
        self, key: str, message: bytes, mac: bytes, *, key_version: int | None = None
    ) -> bool:
        version = key_version or getattr(mac, "key_version", None)
        return await self._send(calls.verify_mac(key, message, mac, version))

    # --- data keys

    async def data_key(
        self,
        key: str,
        *,
        aad: bytes = b"",
        bits: int | None = None,
        key_pair: str | None = None,
        mode: str | None = None,
        plaintext: bool = True,
    ) -> DataKey:
        return await self._send(calls.data_key(key, aad, bits, key_pair, mode, with_plaintext=plaintext))

    def envelope(self, key: str, limits: DataKeyLimits = DEFAULT_LIMITS) -> AsyncEnvelope:
        return AsyncEnvelope(self, key, limits)

    # --- files

    async def encrypt_file(self, key: str, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        await self._transfer(Transfer.encryption(key, aad), source, target)

    async def decrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        await self._transfer(Transfer.decryption(aad), source, target)

    # --- keys

    async def create_key(self, name: str, algorithm: str = "aes-256", **members: Any) -> Key:
        return await self._send(calls.create_key(name, algorithm, members))

    async def keys(self, **filters: str) -> AsyncIterator[Key]:
        page, more = 1, True
        while more:
            found, more = await self._send(calls.keys_page(page, filters))
            for key in found:
                yield key
            page += 1

    async def key(self, reference: str) -> Key:
        return await self._send(calls.key(reference))

    async def rotate(self, key: str, reason: str, *, expected_version: int | None = None) -> Rotation:
        return await self._send(calls.rotate(key, reason, expected_version))

    # --- everything else

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        return await self._send(calls.any_request(method, path, body, query, idempotency_key))

    async def text(self, path: str) -> str:
        return await self._send(calls.text(path))

    async def _default_mode(self, key: str, purpose: str) -> str:
        return self._modes.get(key, purpose) or self._modes.put(key, purpose, await self.key(key))

    async def _send(self, call: Call[T]) -> T:
        attempts = Attempts(self._retries, is_repeatable=call.is_repeatable)
        while True:
            try:
                response = await self._http.request(
                    call.method, call.path, json=call.body, params=call.query, headers=call.headers
                )
                return call.result_of(response.status_code, response.headers, response.content)
            except httpx.HTTPError as error:
                failure: Error = failure_of(error, self._http.base_url)
            except Error as error:
                failure = error
            await asyncio.sleep(attempts.pause_after(failure))

    async def _transfer(self, transfer: Transfer, source: StrPath, target: StrPath) -> None:
        attempts = Attempts(self._retries)
        while True:
            try:
                with await asyncio.to_thread(opened, source) as given:
                    return await self._transfer_once(transfer, given, target)
            except httpx.HTTPError as error:
                failure: Error = failure_of(error, self._http.base_url)
            except Error as error:
                failure = error
            await asyncio.sleep(attempts.pause_after(failure))

    async def _transfer_once(self, transfer: Transfer, given: IO[bytes], target: StrPath) -> None:
        async with replacing(target, transfer.mode) as made:
            await self._exchange(transfer, given, made)
            transfer.require_complete(given, made.tell())

    async def _exchange(self, transfer: Transfer, given: IO[bytes], made: IO[bytes]) -> None:
        headers = {**transfer.headers, "Content-Length": str(os.fstat(given.fileno()).st_size)}
        async with self._http.stream(
            "POST", transfer.path, params=transfer.query, headers=headers, content=_blocks(given)
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise error_of(response.status_code, response.headers, await response.aread())
            async for block in response.aiter_raw():
                await asyncio.to_thread(made.write, block)


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, BLOCK_SIZE):
        yield block
