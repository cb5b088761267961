"""msgspec types for encryption on the fast path."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from crypto_ops.deciding.wire import IncompleteForm, KeyText, RequestBody, Version, encode_json
from crypto_ops.encryption.items import Parts, messages_of, sealed_item_of, sealed_of
from crypto_ops.encryption.services import batches
from crypto_ops.encryption.services.messages import Decrypted, DecryptRequest, EncryptRequest
from crypto_ops.items.wire import Reference, aad_of, max_ciphertext, max_plaintext
from crypto_ops.requests import MAX_ITEMS
from kernel.crypto import envelope
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.envelope import Envelope
from kernel.crypto.modes import SealingMode, find_sealing_mode
from keys import references
from keys.references import KeyReference


class Encrypt(RequestBody, frozen=True):
    algorithm: str
    data: str
    key_id: KeyText | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: str | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return (
            8
            + 4 * (self.key_id is not UNSET)
            + 2 * (self.key_version is not UNSET)
            + 4 * (self.aad is not UNSET)
        )


class Form(RequestBody, frozen=True):
    """A ciphertext in one piece or in its parts."""

    ciphertext: str | UnsetType = UNSET
    encrypted_data: str | UnsetType = UNSET
    iv: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: str | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        texts = (self.ciphertext, self.encrypted_data, self.iv, self.tag, self.aad)
        return 4 * (len(texts) - texts.count(UNSET)) + 2 * (self.key_version is not UNSET)

    def read(self, mode: SealingMode | None) -> str | Parts:
        """The form that was sent. ``mode``: None if none was named. Raises IncompleteForm."""
        ciphertext, encrypted_data, iv, tag = self.ciphertext, self.encrypted_data, self.iv, self.tag
        if ciphertext is not UNSET:
            if encrypted_data is UNSET and iv is UNSET and tag is UNSET and self.key_version is UNSET:
                return ciphertext
        elif encrypted_data is not UNSET and mode is not None:
            if iv is UNSET and not mode.iv_size:
                iv = ""
            if tag is UNSET and not mode.tag_size:
                tag = ""
            if iv is not UNSET and tag is not UNSET:
                return encrypted_data, iv, tag
        raise IncompleteForm


class Decrypt(Form, frozen=True):
    key_id: KeyText | UnsetType = UNSET
    algorithm: str | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return super().quotes + 4 * (self.key_id is not UNSET) + 4 * (self.algorithm is not UNSET)


class EncryptItem(RequestBody, frozen=True):
    data: str
    aad: str | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 + 4 * (self.aad is not UNSET) + 4 * (self.reference is not UNSET)


class DecryptItem(Form, frozen=True):
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return super().quotes + 4 * (self.reference is not UNSET)


class EncryptBatch(RequestBody, frozen=True):
    algorithm: str
    items: Annotated[list[EncryptItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    key_id: KeyText | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET


class DecryptBatch(RequestBody, frozen=True):
    algorithm: str
    key_id: KeyText
    items: Annotated[list[DecryptItem], Meta(min_length=1, max_length=MAX_ITEMS)]


def _key_of(text: str | UnsetType) -> KeyReference | None:
    """The key reference; None if none was sent. Raises Invalid."""
    return None if text is UNSET else references.parse(text)


def encrypt_request(message: Encrypt) -> EncryptRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return EncryptRequest(
        mode=find_sealing_mode(message.algorithm),
        plaintext=decode_base64(message.data, field="data", max_bytes=max_plaintext()),
        key_id=_key_of(message.key_id),
        key_version=message.key_version or None,
        aad=aad_of(message.aad or ""),
    )


def decrypt_request(message: Decrypt) -> DecryptRequest:
    """Raises Invalid, UnsupportedAlgorithm, MalformedCiphertext, IncompleteForm."""
    mode = None if message.algorithm is UNSET else find_sealing_mode(message.algorithm)
    form, aad = message.read(mode), aad_of(message.aad or "")
    if isinstance(form, str):
        if message.key_id is not UNSET or mode is not None:
            raise IncompleteForm
        return DecryptRequest.of_envelope(envelope.decode(form, max_length=max_ciphertext()), aad)
    if message.key_id is UNSET or mode is None:
        raise IncompleteForm
    return DecryptRequest(
        mode=mode,
        key_id=references.parse(message.key_id),
        key_version=message.key_version or None,
        sealed=sealed_of(form),
        aad=aad,
    )


def encrypt_batch(message: EncryptBatch) -> batches.EncryptBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    return batches.EncryptBatch(
        mode=find_sealing_mode(message.algorithm),
        items=messages_of((item.data, item.aad or "") for item in message.items),
        key_id=_key_of(message.key_id),
        key_version=message.key_version or None,
    )


def decrypt_batch(message: DecryptBatch) -> batches.DecryptBatch:
    """Raises Invalid, UnsupportedAlgorithm, IncompleteForm."""
    mode = find_sealing_mode(message.algorithm)
    return batches.DecryptBatch(
        mode=mode,
        key_id=references.parse(message.key_id),
        items=[
            sealed_item_of(item.read(mode), item.key_version or None, item.aad or "", mode=mode)
            for item in message.items
        ],
    )


def encrypted(result: Envelope, _message: Encrypt) -> bytes:
    sealed = result.sealed
    return encode_json(
        {
            "encrypted_data": encode_base64(sealed.ciphertext),
            "iv": sealed.iv,  # msgspec encodes bytes in base64, too, but slower if they are many
            "tag": sealed.tag,
            "algorithm": result.mode.name,
            "key_id": result.key_id,
            "key_version": result.version,
            "ciphertext": envelope.encode(result),
        }
    )


def decrypted(result: Decrypted, _message: Decrypt) -> bytes:
    return encode_json(
        {
            "data": encode_base64(result.plaintext),
            "algorithm": result.mode.name,
            "key_id": result.key_id,
            "key_version": result.key_version,
        }
    )
