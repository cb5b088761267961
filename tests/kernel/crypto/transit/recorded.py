"""Texts, signatures and MACs that OpenBao 2.7.2 has made, and the secrets of their keys."""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.transit.secrets import TransitSecrets
from kernel.crypto.transit_types import TRANSIT_TYPES, TransitType

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
decode = base64.b64decode
MESSAGE, CONTEXT, AAD = (decode(VECTORS[name]) for name in ("message", "context", "aad"))
_CURVES = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}


def text_of(text: str, *, is_raw: bool = False) -> bytes:
    body = text.split(":")[2]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)) if is_raw else decode(body, validate=True)


def key_of(recorded: dict[str, Any]) -> tuple[TransitType, TransitSecrets]:
    variant = recorded["variant"]
    kind = TRANSIT_TYPES[recorded["type"]].variant(
        is_derived=variant != "plain", is_convergent=variant == "convergent"
    )
    secrets = recorded["secrets"]
    return kind, TransitSecrets(_key(kind, secrets), decode(secrets["hmac_key"]))


def _key(kind: TransitType, secrets: dict[str, Any]) -> bytes:
    if "rsa_key" in secrets:
        n, e, d, p, q = secrets["rsa_key"]
        numbers = rsa.RSAPrivateNumbers(
            p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n)
        )
        return key_pairs.encode_pair(kind.name, numbers.private_key())[0].expose()
    if "ec_d" in secrets:
        key = ec.derive_private_key(secrets["ec_d"], _CURVES[kind.key_size])
        return key_pairs.encode_pair(f"ec-p{kind.key_size}", key)[0].expose()
    return decode(secrets["key"])[: 64 if kind.name == "hmac" else 32]
