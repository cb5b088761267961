"""Record the test vectors of transit keys from a server of OpenBao, started with `bao server -dev -dev-root-token-id=root`.

Usage: python -m campaigns.transit_vectors http://127.0.0.1:8200 > tests/kernel/crypto/transit/vectors.json
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

MESSAGE, CONTEXT, AAD = b"hello", b"tenant 7", b"row 12"
type Options = dict[str, object]
HASHES = ("sha2-224", "sha2-384", "sha2-512", "sha3-224", "sha3-256", "sha3-384", "sha3-512")


def encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def call(path: str, **body: object) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the address of the operator
        f"{sys.argv[1]}/v1/{path}",
        json.dumps(body).encode() if body else None,
        {"X-Vault-Token": "root"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        document = response.read()
    found: dict[str, Any] = json.loads(document)["data"] if document else {}
    return found


def make(name: str, kind: str, **options: object) -> dict[str, object]:
    """The secrets of a new key."""
    call(f"transit/keys/{name}", type=kind, exportable=True, allow_plaintext_backup=True, **options)
    backup = base64.b64decode(call(f"transit/backup/{name}")["backup"])
    version = json.loads(backup)["policy"]["keys"]["1"]
    secrets = {name: version[name] for name in ("key", "hmac_key", "ec_d") if version[name]}
    rsa = version["rsa_key"]
    return secrets | ({"rsa_key": [rsa["N"], rsa["E"], rsa["D"], *rsa["Primes"]]} if rsa else {})


def key(kind: str, variant: str, **options: object) -> dict[str, object]:
    flags = {"derived": variant != "plain", "convergent_encryption": variant == "convergent"}
    return {
        "type": kind,
        "variant": variant,
        "secrets": make(f"{kind}-{variant}", kind, **flags, **options),
    }


def seal(kind: str, variant: str) -> dict[str, object]:
    found = key(kind, variant)
    fields = {} if variant == "plain" else {"context": encode(CONTEXT)}
    aad = {} if variant == "convergent" or kind.startswith("rsa") else {"associated_data": encode(AAD)}
    sealed = call(f"transit/encrypt/{kind}-{variant}", plaintext=encode(MESSAGE), **fields, **aad)
    return found | {"aad": bool(aad), "text": sealed["ciphertext"]}


def sign(kind: str, options: list[Options], variant: str = "plain") -> dict[str, object]:
    found = key(kind, variant)
    fields = {} if variant == "plain" else {"context": encode(CONTEXT)}
    signatures = []
    for each in options:
        body = {"input": encode(MESSAGE)} | fields | each
        try:
            signed = call(f"transit/sign/{kind}-{variant}", **body)
        except urllib.error.HTTPError as refusal:
            signatures.append(each | {"refusal": json.load(refusal)["errors"][0]})
        else:
            del signed["key_version"]
            signatures.append(each | signed)
    return found | {"signatures": signatures}


def macs(kind: str, hashes: tuple[str, ...], **options: object) -> dict[str, object]:
    found = key(kind, "plain", **options)
    made = {name: call(f"transit/hmac/{kind}-plain/{name}", input=encode(MESSAGE))["hmac"] for name in hashes}
    return found | {"macs": made}


type Call = tuple[str, dict[str, object], dict[str, object]]


def moved(name: str, *calls: Call) -> dict[str, object]:
    """A backup, and calls that any server with the key responds to with these data."""
    backup = base64.b64decode(call(f"transit/backup/{name}")["backup"])
    return {"name": name, "backup": json.loads(backup), "calls": calls}


def decrypting(name: str, version: int = 0, context: Options = {}) -> Call:  # noqa: B006 - is not changed
    sealed = call(f"transit/encrypt/{name}", plaintext=encode(MESSAGE), key_version=version, **context)
    return "decrypt", {"ciphertext": sealed["ciphertext"], **context}, {"plaintext": encode(MESSAGE)}


def verifying(name: str, operation: str, member: str, **fields: object) -> Call:
    body = {"input": encode(MESSAGE), **fields}
    made = call(f"transit/{operation}/{name}", **body)[member]
    return "verify", {**body, member: made}, {"valid": True}


def create(name: str, rotations: int = 0, **options: object) -> None:
    call(f"transit/keys/{name}", exportable=True, allow_plaintext_backup=True, **options)
    for _ in range(rotations):
        call(f"transit/keys/{name}/rotate", name=name)


def import_rsa(name: str) -> None:
    """By a key that is wrapped for the server, as its documentation has it."""
    private = rsa.generate_private_key(65537, 2048)
    document = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    recipient: Any = load_pem_public_key(call("transit/wrapping_key")["public_key"].encode())
    key = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    wrapped = recipient.encrypt(key, oaep) + aes_key_wrap_with_padding(key, document)
    options = {"type": "rsa-2048", "exportable": True, "allow_plaintext_backup": True}
    call(f"transit/keys/{name}/import", ciphertext=encode(wrapped), hash_function="SHA256", **options)


def backups() -> list[dict[str, object]]:
    context: Options = {"context": encode(CONTEXT)}
    create("Trimmed_key", rotations=3)
    made = [decrypting("Trimmed_key", version) for version in (3, 4)]
    call("transit/keys/Trimmed_key/config", min_decryption_version=3, min_encryption_version=3)
    call("transit/keys/Trimmed_key/trim", min_available_version=2)
    create("derived", derived=True, type="xchacha20-poly1305")
    call("transit/keys/derived/config", deletion_allowed=True)
    create("convergent", rotations=1, derived=True, convergent_encryption=True)
    repeated = decrypting("convergent", 2, context)
    plaintext, sealed = repeated[2], {"ciphertext": repeated[1]["ciphertext"], "key_version": 2}
    create("signer", type="ed25519", derived=True)
    create("curve", type="ecdsa-p384", rotations=1)
    create("mac", type="hmac", key_size=48)
    import_rsa("imported")
    return [
        moved("Trimmed_key", *made, verifying("Trimmed_key", "hmac", "hmac")),
        moved("derived", decrypting("derived", 1, context)),
        moved(
            "convergent",
            decrypting("convergent", 1, context),
            repeated,
            ("encrypt", {**plaintext, **context}, sealed),
        ),
        moved("signer", verifying("signer", "sign", "signature", **context)),
        moved("curve", verifying("curve", "sign", "signature")),
        moved("mac", verifying("mac", "hmac", "hmac", algorithm="sha2-512")),
        moved("imported", decrypting("imported"), verifying("imported", "sign", "signature")),
    ]


BY_HASH: list[Options] = [{"hash_algorithm": name} for name in HASHES]
RSA: list[Options] = [
    {},
    {"salt_length": "hash"},
    {"salt_length": "20"},
    {"salt_length": "0"},
    {"salt_length": "-1"},
    {"salt_length": "400"},
    {"signature_algorithm": "odd"},
    {"prehashed": True},
    {"signature_algorithm": "pkcs1v15"},
    {"signature_algorithm": "pkcs1v15", "hash_algorithm": "none", "prehashed": True},
    {"prehashed": True, "input": encode(bytes(32))},
    *BY_HASH,
    *(each | {"signature_algorithm": "pkcs1v15"} for each in BY_HASH),
]
ECDSA: list[Options] = [
    {},
    {"marshaling_algorithm": "jws"},
    {"prehashed": True},
    {"prehashed": True, "input": encode(bytes(range(100)))},
    *BY_HASH,
]
AEADS = ("aes256-gcm96", "aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305")


def main() -> None:
    call("sys/mounts/transit", type="transit")
    document = {
        "message": encode(MESSAGE),
        "context": encode(CONTEXT),
        "aad": encode(AAD),
        "texts": [seal(kind, variant) for kind in AEADS for variant in ("plain", "derived", "convergent")]
        + [seal("rsa-2048", "plain")],
        "signed": [
            sign("rsa-2048", RSA),
            *(sign(f"ecdsa-p{size}", ECDSA) for size in (256, 384, 521)),
            sign("ed25519", [{}]),
            sign("ed25519", [{}], "derived"),
        ],
        "macs": [
            macs("hmac", ("sha1", "sha2-256", *HASHES), key_size=64),
            macs("aes256-gcm96", ("sha2-256",)),
        ],
        "backups": backups(),
    }
    json.dump(document, sys.stdout, indent=0)


if __name__ == "__main__":
    main()
