"""The bodies of encryption, what they request, and its responses."""

from typing import Annotated, Final

from django.conf import settings
from msgspec import UNSET, Meta, UnsetType

from crypto_ops.deciding.wire import Aad, KeyText, ModeName, RequestBody, Version, encode_json
from crypto_ops.encryption.fields import MessageField
from crypto_ops.encryption.items import Parts, messages_of, sealed_item_of, sealed_of
from crypto_ops.encryption.services import batches
from crypto_ops.encryption.services.messages import Decrypted, DecryptRequest, EncryptRequest
from crypto_ops.items.wire import Plaintext, Reference, Text, aad_of, max_ciphertext, max_plaintext
from crypto_ops.requests import MAX_ITEMS, MAX_TAG_BYTES
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import SealingMode, find_sealing_mode
from kernel.crypto.sealing import envelope, foreign
from kernel.crypto.sealing.envelope import Envelope
from kernel.crypto.sealing.foreign import FERNET
from kernel.errors import Invalid
from kernel.rest.derived import Rest
from kernel.rest.fields import Base64Field, ChoiceField
from keys import references

MODE_WORDS: Final = {
    "aes-256-gcm": "gcm",
    "aes-128-gcm": "gcm",
    "aes-256-gcm-siv": "gcm-siv",
    "chacha20-poly1305": "poly1305",
    "aes-256-cbc-hmac-sha512": "cbc",
    "aes-256-siv": "siv",
}
_PARTS: Final = ("encrypted_data", "iv", "tag")
_FORM: Final = (*_PARTS, "key_id", "algorithm")


type _EncryptedData = Annotated[str, Rest(Base64Field, max_bytes=settings.CC_MAX_BODY_BYTES)]
type _Tag = Annotated[str, Rest(Base64Field, max_bytes=MAX_TAG_BYTES)]


class Options(RequestBody, frozen=True):
    """Accepted if they agree with the algorithm; padding exists only in CBC."""

    mode: Annotated[str, Rest(ChoiceField, choices=sorted(set(MODE_WORDS.values())))] | UnsetType = UNSET
    padding: Annotated[str, Rest(ChoiceField, choices=["pkcs7"])] | UnsetType = UNSET


class Encrypt(RequestBody, frozen=True):
    algorithm: ModeName
    data: Plaintext
    key_id: KeyText | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    aad: Aad | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        # Without those of the options, so that Django handles them. They are rare and say nothing new.
        return (
            8
            + 4 * (self.key_id is not UNSET)
            + 2 * (self.key_version is not UNSET)
            + 4 * (self.aad is not UNSET)
        )


class Decrypt(RequestBody, frozen=True):
    """Either ``ciphertext``, or the parts from the response of encrypt (with ``key_version`` if known).

    Modes without ``iv`` or ``tag`` do not require them. A Fernet token is a ``ciphertext`` that does not name its key.
    """

    ciphertext: Annotated[str, Rest(MessageField)] | UnsetType = UNSET
    encrypted_data: _EncryptedData | UnsetType = UNSET
    iv: _Tag | UnsetType = UNSET
    tag: _Tag | UnsetType = UNSET
    key_id: KeyText | UnsetType = UNSET
    algorithm: ModeName | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: Aad | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        texts = (
            self.ciphertext,
            self.encrypted_data,
            self.iv,
            self.tag,
            self.key_id,
            self.algorithm,
            self.aad,
        )
        return 4 * (len(texts) - texts.count(UNSET)) + 2 * (self.key_version is not UNSET)


class EncryptItem(RequestBody, frozen=True):
    """``data`` and ``aad`` in base64. An item that cannot be decoded does not affect the others."""

    data: Text
    aad: Text | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 + 4 * (self.aad is not UNSET) + 4 * (self.reference is not UNSET)


class DecryptItem(RequestBody, frozen=True):
    """Either ``ciphertext``, or ``encrypted_data``, ``iv`` and ``tag`` (with ``key_version`` if known).

    Modes without ``iv`` or ``tag`` do not require them.
    """

    ciphertext: Text | UnsetType = UNSET
    encrypted_data: Text | UnsetType = UNSET
    iv: Text | UnsetType = UNSET
    tag: Text | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: Text | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        texts = (self.ciphertext, self.encrypted_data, self.iv, self.tag, self.aad, self.reference)
        return 4 * (len(texts) - texts.count(UNSET)) + 2 * (self.key_version is not UNSET)


class EncryptBatch(RequestBody, frozen=True, kw_only=True):
    algorithm: ModeName
    key_id: KeyText | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    items: Annotated[list[EncryptItem], Meta(min_length=1, max_length=MAX_ITEMS)]


class DecryptBatch(RequestBody, frozen=True):
    algorithm: ModeName
    key_id: KeyText
    items: Annotated[list[DecryptItem], Meta(min_length=1, max_length=MAX_ITEMS)]


def encrypt_request(message: Encrypt) -> EncryptRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode = find_sealing_mode(message.algorithm)
    if message.options is not UNSET:
        _require_agreement(message.options, mode)
    return EncryptRequest(
        mode=mode,
        plaintext=decode_base64(message.data, field="data", max_bytes=max_plaintext()),
        key_id=None if message.key_id is UNSET else references.parse(message.key_id),
        key_version=message.key_version or None,
        aad=aad_of(message.aad),
    )


def _require_agreement(options: Options, mode: SealingMode) -> None:
    if mode.is_public_key and options != Options():
        raise Invalid.of_field("options", f"{mode.name} has no options. Omit this field.")
    if options.mode and options.mode != MODE_WORDS.get(mode.name):
        raise Invalid.of_field("options.mode", f"Conflicts with {mode.name}. Omit this field.")


def decrypt_request(message: Decrypt) -> DecryptRequest:
    """Raises Invalid, UnsupportedAlgorithm, MalformedCiphertext."""
    algorithm, key_id = message.algorithm, message.key_id
    if isinstance(message.ciphertext, str) and foreign.is_token(message.ciphertext):
        return _of_token(message.ciphertext, message)
    if message.ciphertext is UNSET and algorithm is not UNSET:
        mode = find_sealing_mode(algorithm)
        form = _form_of(message, mode)
        if key_id is not UNSET and not isinstance(form, str):
            return DecryptRequest(
                mode=mode,
                key_id=references.parse(key_id),
                key_version=message.key_version or None,
                sealed=sealed_of(form),
                aad=aad_of(message.aad),
            )
        raise _refused(message, mode)
    form = _form_of(message, None)
    if isinstance(form, str) and key_id is UNSET and algorithm is UNSET:
        return DecryptRequest.of_envelope(
            envelope.decode(form, max_length=max_ciphertext()), aad_of(message.aad)
        )
    raise _refused(message, None)


def _of_token(token: str, message: Decrypt) -> DecryptRequest:
    if message.key_id is UNSET:
        raise Invalid.of_field("key_id", "This field is required: a Fernet token does not name its key.")
    faults = {name: "Omit this field." for name in _PARTS if getattr(message, name) is not UNSET}
    if message.algorithm not in {UNSET, FERNET.name}:
        faults["algorithm"] = f"Must be {FERNET.name}, or omit it."
    if faults:
        raise Invalid.of_fields(faults)
    return DecryptRequest(
        mode=FERNET,
        key_id=references.parse(message.key_id),
        key_version=message.key_version or None,
        sealed=foreign.sealed_of(token, max_length=max_ciphertext()),
        aad=aad_of(message.aad),
    )


def _form_of(message: Decrypt | DecryptItem, mode: SealingMode | None) -> str | Parts:
    """The form that was sent. ``mode``: None if none was named. Raises Invalid."""
    ciphertext, encrypted_data, iv, tag = (
        message.ciphertext,
        message.encrypted_data,
        message.iv,
        message.tag,
    )
    if ciphertext is not UNSET:
        if encrypted_data is UNSET and iv is UNSET and tag is UNSET and message.key_version is UNSET:
            return ciphertext
    elif encrypted_data is not UNSET and mode is not None:
        if iv is UNSET and not mode.iv_size:
            iv = ""
        if tag is UNSET and not mode.tag_size:
            tag = ""
        if iv is not UNSET and tag is not UNSET:
            return encrypted_data, iv, tag
    raise _refused(message, mode)


def _refused(message: Decrypt | DecryptItem, mode: SealingMode | None) -> Invalid:
    return Invalid.of_fields(_faults(message, mode))


def _faults(message: Decrypt | DecryptItem, mode: SealingMode | None) -> dict[str, str]:
    """The error of each member that is superfluous beside a ciphertext, or missing without one."""
    names = [name for name in _FORM if name in message.__struct_fields__]
    if message.ciphertext is not UNSET:
        extra = [name for name in (*names, "key_version") if getattr(message, name) is not UNSET]
        return dict.fromkeys(extra, "Omit this field. The ciphertext already contains it.")
    sizes = {"iv": mode.iv_size, "tag": mode.tag_size} if mode else {}
    missing = [name for name in names if getattr(message, name) is UNSET and sizes.get(name, 1)]
    return dict.fromkeys(missing, "Send this field, or send ciphertext instead.")


def encrypt_batch(message: EncryptBatch) -> batches.EncryptBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    return batches.EncryptBatch(
        mode=find_sealing_mode(message.algorithm),
        items=messages_of((item.data, item.aad) for item in message.items),
        key_id=None if message.key_id is UNSET else references.parse(message.key_id),
        key_version=message.key_version or None,
    )


def decrypt_batch(message: DecryptBatch) -> batches.DecryptBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode = find_sealing_mode(message.algorithm)
    try:
        items = [
            sealed_item_of(_form_of(item, mode), item.key_version or None, item.aad, mode=mode)
            for item in message.items
        ]
    except Invalid:  # of one item, but the response names all
        faults = {
            f"items.{index}.{name}": fault
            for index, item in enumerate(message.items)
            for name, fault in _faults(item, mode).items()
        }
        raise Invalid.of_fields(faults) from None
    return batches.DecryptBatch(mode=mode, key_id=references.parse(message.key_id), items=items)


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
