"""Local envelope encryption: data is encrypted in this process, with data keys of the server."""

import threading
from types import TracebackType
from typing import Protocol
from uuid import UUID

from ciphercanary_client import envelope_format
from ciphercanary_client.data_key_cache import DataKeyCache, DataKeyLimits, OpenKey
from ciphercanary_client.errors import DecryptionFailed
from ciphercanary_client.files import StrPath, size_of
from ciphercanary_client.models import DataKey, Key


class DataKeySource(Protocol):
    """The methods of Client that an envelope needs."""

    def data_key(self, key: str) -> DataKey: ...

    def decrypt(self, ciphertext: str) -> bytes: ...

    def key(self, reference: str) -> Key: ...


class Envelope:
    """Encrypts messages and files with data keys of one key. Threads may share it.

    The audit log has an entry for each data key that is generated or decrypted, and none for the messages.
    """

    def __init__(self, client: DataKeySource, key: str, limits: DataKeyLimits) -> None:
        self._client, self._key = client, key
        self._key_id = given_id(key)
        self._cache = DataKeyCache(limits)
        self._renewing = threading.Lock()

    def __repr__(self) -> str:
        return f"Envelope({self._key!r})"

    def __enter__(self) -> "Envelope":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget all data keys. Python may keep copies in memory until it reuses their place."""
        self._cache.forget()

    def encrypt(self, data: bytes, aad: bytes = b"") -> bytes:
        key = self._sealing_key(len(data))
        return envelope_format.seal(key.octets, key.header, data, aad)

    def decrypt(self, envelope: bytes, aad: bytes = b"") -> bytes:
        """Raises DecryptionFailed, also for an envelope of another key."""
        header = envelope_format.header_of_bytes(envelope)
        return envelope_format.open_envelope(self._opened_key(header), header, envelope, aad)

    def encrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        """Encrypt a file in constant memory. ``target`` appears as a whole, or not at all."""
        key = self._sealing_key(size_of(source))
        envelope_format.seal_file(key.octets, key.header, source, target, aad)

    def decrypt_file(self, source: StrPath, target: StrPath, aad: bytes = b"") -> None:
        """Decrypt a file, likewise. Only its owner can read ``target``. Raises DecryptionFailed."""
        header = envelope_format.header_of_file(source)
        envelope_format.open_file(self._opened_key(header), header, source, target, aad)

    def new_key(self) -> OpenKey:
        """A data key of its own, for data whose size is not known."""
        made = OpenKey.of(self._client.data_key(self._key))
        self._key_id = envelope_format.key_id_of(made.header)
        return made

    def _sealing_key(self, size: int) -> OpenKey:
        if key := self._cache.take(size):
            return key
        with self._renewing:  # threads that wait use the key of the first one
            return self._cache.take(size) or self._cache.replace(self.new_key(), size)

    def _opened_key(self, header: bytes) -> bytes:
        if octets := self._cache.get(header):
            return octets
        require_key(header, self._key_id or self._resolved())
        return self._cache.put(header, self._decrypt_key(header))

    def _resolved(self) -> bytes:
        self._key_id = UUID(self._client.key(self._key).id).bytes
        return self._key_id

    def _decrypt_key(self, header: bytes) -> bytes:
        return require_size(self._client.decrypt(envelope_format.ciphertext_of(header)))


def given_id(key: str) -> bytes | None:
    """The id in a reference of a key. None if the reference is a name."""
    try:
        return UUID(key).bytes
    except ValueError:
        return None


def require_key(header: bytes, key_id: bytes) -> None:
    """Raise DecryptionFailed unless this key encrypts the data key of the envelope.

    Everyone can encrypt a data key with a public key. So an envelope of another key proves nothing about its author.
    """
    if envelope_format.key_id_of(header) != key_id:
        raise DecryptionFailed("The envelope belongs to another key than the one that was named.")


def require_size(octets: bytes) -> bytes:
    """A decrypted data key. Raises DecryptionFailed for another plaintext."""
    if len(octets) != envelope_format.DATA_KEY_SIZE:
        raise DecryptionFailed("The envelope does not contain a data key of 32 bytes.")
    return octets
