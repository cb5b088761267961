"""The batches that both paths must handle alike."""

from tests.crypto_ops.two_paths import PLAINTEXT
from tests.personas import b64

GOOD_BATCHES = {
    "a batch": (
        "encrypt/batch",
        lambda server: server.batch({"data": PLAINTEXT}, {"data": "", "aad": "QQ=="}),
    ),
    "references": (
        "encrypt/batch",
        lambda server: server.batch({"data": PLAINTEXT, "reference": "row 7"}, {"data": "", "reference": ""}),
    ),
    "a batch with what cannot be read": (
        "encrypt/batch",
        lambda server: server.batch({"data": "Q"}, {"data": PLAINTEXT}, {"data": "QQ==", "aad": "?"}),
    ),
    "a batch of no key": (
        "encrypt/batch",
        lambda server: {"algorithm": "aes-256-gcm", "items": [{"data": PLAINTEXT}]},
    ),
    "a thousand": ("encrypt/batch", lambda server: server.batch(*[{"data": PLAINTEXT}] * 1000)),
    "a batch to open": ("decrypt/batch", lambda server: server.batch(*server.sealed_items())),
    "a batch of which some do not open": (
        "decrypt/batch",
        lambda server: server.batch(
            {"ciphertext": ""},
            {"ciphertext": "cc1.AQ"},
            {"ciphertext": server.encrypted["ciphertext"], "aad": "QQ==", "reference": "altered"},
            *server.sealed_items(),
            {**server.parts(), "key_version": 9},
            {**server.parts(), "iv": "QQ=="},
        ),
    ),
    "batches with the key's name": (
        "encrypt/batch",
        lambda server: server.batch({"data": PLAINTEXT}, {"data": "Q"}) | {"key_id": "name:fast-path"},
    ),
    "a batch to open with the key's name": (
        "decrypt/batch",
        lambda server: server.batch(*server.sealed_items()) | {"key_id": "name:fast-path"},
    ),
    "a batch to sign": (
        "sign/batch",
        lambda server: server.proofs(
            "sign/batch",
            {"message": PLAINTEXT},
            {"digest": b64(bytes(32)), "reference": "of a digest"},
            {"message": "?"},
            {"digest": "QQ=="},
            {"message": "", "digest": ""},
            {"reference": ""},
        ),
    ),
    "a batch to sign in the raw form": (
        "sign/batch",
        lambda server: server.proofs(
            "sign/batch", {"message": PLAINTEXT}, encoding="raw", key_id="name:fast-path-signing"
        ),
    ),
    "a batch to verify": (
        "verify/batch",
        lambda server: server.proofs(
            "verify/batch",
            {"message": PLAINTEXT, "signature": server.signature},
            {"message": "", "signature": server.signature, "key_version": 1, "reference": "of another"},
            {"message": PLAINTEXT, "signature": server.signature, "key_version": 9},
            {"message": PLAINTEXT, "signature": "?"},
            {"signature": ""},
        ),
    ),
    "a batch of MACs": (
        "mac/batch",
        lambda server: server.proofs(
            "mac/batch", {"message": PLAINTEXT}, {"message": "", "reference": "empty"}, {"message": "?"}
        ),
    ),
    "a batch of MACs to verify": (
        "mac/verify/batch",
        lambda server: server.proofs(
            "mac/verify/batch",
            {"message": PLAINTEXT, "mac": server.mac},
            {"message": "", "mac": server.mac, "key_version": 1, "reference": "of another"},
            {"message": PLAINTEXT, "mac": server.mac, "key_version": 9},
            {"message": PLAINTEXT, "mac": "?"},
        ),
    ),
    "a thousand MACs": (
        "mac/batch",
        lambda server: server.proofs(
            "mac/batch", *[{"message": PLAINTEXT}] * 1000, key_id="name:fast-path-mac"
        ),
    ),
    "a batch to open without iv and tag": (
        "decrypt/batch",
        lambda server: server.batch(
            {"encrypted_data": server.sealed_for_hybrid},
            {"encrypted_data": "QQ==", "iv": "", "tag": "", "reference": "altered"},
            key_id=server.hybrid_id,
            algorithm="hpke-x25519-ml-kem-768",
        ),
    ),
    "a batch of which none opens": (
        "decrypt/batch",
        lambda server: server.batch({"ciphertext": server.encrypted["ciphertext"], "aad": "QQ=="}),
    ),
}
