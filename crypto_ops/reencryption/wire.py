"""The messages that a request re-encrypts, in one of four forms.

A ``cc1.`` ciphertext names its key. A ``vault:`` text, a Fernet token and the parts of a message do not: ``source_key_id``
does.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from crypto_ops.encryption.services.messages import DecryptRequest
from crypto_ops.items.wire import max_ciphertext
from crypto_ops.reencryption.services.sources import MessageSource, TransitSource
from crypto_ops.requests import MAX_AAD_BYTES, MAX_TAG_BYTES
from crypto_ops.transit import texts
from crypto_ops.transit.items import Opening
from kernel.crypto.encoding import decode_base64
from kernel.crypto.modes import SealingMode, find_sealing_mode
from kernel.crypto.sealing import envelope, foreign
from kernel.crypto.sealing.aead import Sealed
from kernel.crypto.sealing.foreign import FERNET
from kernel.errors import Invalid

_PARTS: Final = frozenset({"encrypted_data", "iv", "tag", "algorithm"})
_OF_A_KEY: Final = frozenset({"source_key_id", "key_version", "context"})
_NAMELESS: Final = "This field is required: the ciphertext does not name its key."


def decoded(item: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an item, those in base64 as bytes. Raises Invalid."""
    limits = {name: most for name, most in _max_bytes().items() if name in item}
    octets = {name: decode_base64(item[name], field=name, max_bytes=most) for name, most in limits.items()}
    return {**item, **octets}


def _max_bytes() -> Mapping[str, int]:
    return {
        "encrypted_data": max_ciphertext(),
        **dict.fromkeys(("iv", "tag"), MAX_TAG_BYTES),
        **dict.fromkeys(("aad", "target_aad", "context"), MAX_AAD_BYTES),
    }


def source_of(members: Mapping[str, Any], key_id: UUID | None = None) -> MessageSource | TransitSource:
    """``members``: of a body or of an item, decoded from base64. ``key_id``: of a message that does not name its key.

    Raises Invalid, UnsupportedAlgorithm, MalformedCiphertext.
    """
    text = members.get("ciphertext")
    if key_id is not None and not (text or "").startswith(envelope.PREFIX):
        members = {**members, "source_key_id": key_id}
    if text is None:
        return _of_parts(members)
    if text.startswith(texts.PREFIX):
        return _of_vault(text, members)
    if foreign.is_token(text):
        return _of_token(text, members)
    _require(members, (), _PARTS | _OF_A_KEY, "Omit this field. The ciphertext already contains it.")
    found = envelope.decode(text, max_length=max_ciphertext())
    return MessageSource(request=DecryptRequest.of_envelope(found, members.get("aad", b"")))


def _of_parts(members: Mapping[str, Any]) -> MessageSource:
    _require(members, ("encrypted_data", "source_key_id", "algorithm"), {"context"}, "Omit this field.")
    mode = find_sealing_mode(members["algorithm"])
    sizes = {"iv": mode.iv_size, "tag": mode.tag_size}
    _require(members, [name for name, size in sizes.items() if size])
    sealed = Sealed(members.get("iv", b""), members["encrypted_data"], members.get("tag", b""))
    return _message(mode, sealed, members)


def _of_token(text: str, members: Mapping[str, Any]) -> MessageSource:
    _require(members, ("source_key_id",), _PARTS | {"context"}, "Omit this field.")
    return _message(FERNET, foreign.sealed_of(text, max_length=max_ciphertext()), members)


def _message(mode: SealingMode, sealed: Sealed, members: Mapping[str, Any]) -> MessageSource:
    return MessageSource(
        request=DecryptRequest(
            mode=mode,
            key_id=members["source_key_id"],
            key_version=members.get("key_version"),
            sealed=sealed,
            aad=members.get("aad", b""),
        )
    )


def _of_vault(text: str, members: Mapping[str, Any]) -> TransitSource:
    _require(members, ("source_key_id",), _PARTS | {"key_version"}, "Omit this field.")
    number, encoded = texts.parts_of(text, "invalid ciphertext")
    sealed = decode_base64(encoded, field="ciphertext", max_bytes=max_ciphertext())
    opening = Opening(
        sealed=sealed,
        context=members.get("context", b""),
        aad=members.get("aad", b""),
        key_version=number,
    )
    return TransitSource(key_id=members["source_key_id"], opening=opening)


def _require(
    members: Mapping[str, Any],
    required: Collection[str],
    excluded: Collection[str] = (),
    excess: str = "",
) -> None:
    """Raises Invalid for members that are missing, and for ``excluded`` ones, with the text ``excess``."""
    faults = dict.fromkeys((name for name in excluded if name in members), excess)
    missing = _NAMELESS if "ciphertext" in members else "Send this field, or send ciphertext instead."
    faults |= dict.fromkeys((name for name in required if name not in members), missing)
    if faults:
        raise Invalid.of_fields(faults)
