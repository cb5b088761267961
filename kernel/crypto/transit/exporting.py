"""The secrets of transit keys in the forms that OpenBao and Vault export."""

from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kernel.crypto.encoding import encode_base64
from kernel.crypto.errors import Invalid
from kernel.crypto.transit.secrets import TransitSecrets, ed25519_public, private_key
from kernel.crypto.transit_types import TransitType

_FORMS: Final = ("encryption-key", "signing-key", "hmac-key", "public-key")


def require_form(kind: TransitType, form: str) -> None:
    """Raises Invalid for a form that keys of this type do not have, in OpenBao's words."""
    if form not in _FORMS:
        raise Invalid.of_field("type", f"invalid export type: {form[:40]}")
    if form == "encryption-key" and not kind.encrypts:
        raise Invalid.of_field("type", "encryption not supported for the key")
    if form == "signing-key" and not kind.signs:
        raise Invalid.of_field("type", "signing not supported for the key")
    if form == "public-key" and not kind.is_asymmetric:
        raise Invalid.of_field("type", f"unknown key type {kind.name} for export type public-key")


def exported(kind: TransitType, secrets: TransitSecrets, form: str) -> str:
    """One secret of a version: base64, or a PEM document of an RSA or elliptic-curve key. ``form``: checked before."""
    if form == "hmac-key":
        return encode_base64(secrets.mac_key)
    if not kind.is_asymmetric:
        return encode_base64(secrets.key)
    if kind.name == "ed25519":
        public = ed25519_public(secrets.key)
        return encode_base64(public if form == "public-key" else secrets.key + public)
    pair: Any = private_key(kind, secrets)
    if form == "public-key":
        found = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    else:
        found = pair.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    text = str(found.decode())
    return text if kind.encrypts else text.strip()  # as OpenBao writes RSA keys, and keys on curves
