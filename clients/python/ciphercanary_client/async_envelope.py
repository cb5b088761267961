"""Local envelope encryption for asyncio."""

import asyncio
from types import TracebackType
from typing import Protocol
from uuid import UUID

from ciphercanary_client import envelope_format
from ciphercanary_client.data_key_cache import DataKeyCache, DataKeyLimits, OpenKey
from ciphercanary_client.envelope import given_id, require_key, require_size
from ciphercanary_client.files import StrPath, size_of
from ciphercanary_client.models import DataKey, Key


class AsyncDataKeySource(Protocol):
    """The methods of AsyncClient that an envelope needs."""

    async def data_key(self, key: str) -> DataKey: ...

    async def decrypt(self, ciphertext: str) -> bytes: ...

    async def key(self, reference: str) -> Key: ...


class AsyncEnvelope:
    """Encrypts messages and files like Envelope. Tasks may share it. Files are encrypted in a thread."""

    def __init__(self, client: AsyncDataKeySource, key: str, limits: DataKeyLimits) -> None:
        self._client, self._key = client, key
        self._key_id = given_id(key)
        self._cache = DataKeyCache(limits)
        self._renewing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"AsyncEnvelope({self._key!r})"

    async def __aenter__(self) -> "AsyncEnvelope":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget all data keys. Python may keep copies in memory until it reuses their place."""
        self._cache.forget()

    async def encrypt(self, data: bytes, aad: bytes = b"") -> bytes:
        key = await self._sealing_key(len(data))
        return envelope_format.seal(key.octets, key.header, data, aad)

    async def decrypt(self, envelope: bytes, aad: bytes = b"") -> bytes:
        """Raises DecryptionFailed."""
        header = envelope_format.header_of_bytes(envelope)
        return envelope_format.open_envelope(await self._opened_key(header), header, envelope, aad)

    async def encrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        key = await self._sealing_key(await asyncio.to_thread(size_of, source))
        await asyncio.to_thread(envelope_format.seal_file, key.octets, key.header, source, target, aad)

    async def decrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        """Raises DecryptionFailed."""
        header = await asyncio.to_thread(envelope_format.header_of_file, source)
        key = await self._opened_key(header)
        await asyncio.to_thread(envelope_format.open_file, key, header, source, target, aad)

    async def _sealing_key(self, size: int) -> OpenKey:
        if key := self._cache.take(size):
            return key
        async with self._renewing:  # tasks that wait use the key of the first one
            return self._cache.take(size) or self._cache.replace(await self._new_key(), size)

    async def _new_key(self) -> OpenKey:
        made = OpenKey.of(await self._client.data_key(self._key))
        self._key_id = envelope_format.key_id_of(made.header)
        return made

    async def _opened_key(self, header: bytes) -> bytes:
        if octets := self._cache.get(header):
            return octets
        require_key(header, self._key_id or await self._resolved())
        return self._cache.put(header, await self._decrypt_key(header))

    async def _resolved(self) -> bytes:
        self._key_id = UUID((await self._client.key(self._key)).id).bytes
        return self._key_id

    async def _decrypt_key(self, header: bytes) -> bytes:
        return require_size(await self._client.decrypt(envelope_format.ciphertext_of(header)))
