"""The requests that both paths must answer alike. ``GOOD``: by their description, an operation and its body."""

from tests.crypto_ops.two_paths import PLAINTEXT
from tests.personas import b64

GOOD = {
    "a message": ("encrypt", lambda server: server.good("encrypt")),
    "no byte at all": ("encrypt", lambda server: server.good("encrypt", data="")),
    "a large message": ("encrypt", lambda server: server.good("encrypt", data=b64(bytes(700_000)))),
    "additional data": ("encrypt", lambda server: server.good("encrypt", aad=b64(b"row 7"))),
    "no key": ("encrypt", lambda server: {"algorithm": "aes-256-gcm", "data": PLAINTEXT}),
    "the primary version, named": ("encrypt", lambda server: server.good("encrypt", key_version=1)),
    "a key's name": ("encrypt", lambda server: server.good("encrypt", key_id="name:fast-path")),
    "another mode": ("encrypt", lambda server: server.good("encrypt", algorithm="aes-256-cbc-hmac-sha512")),
    "a ciphertext": ("decrypt", lambda server: server.good("decrypt")),
    "its parts": ("decrypt", lambda server: server.split()),
    "its parts, with the key's name": ("decrypt", lambda server: server.split(key_id="name:fast-path")),
    "a signature": ("sign", lambda server: server.good("sign")),
    "a signature of no byte at all": ("sign", lambda server: server.good("sign", message="")),
    "a raw signature": ("sign", lambda server: server.good("sign", encoding="raw")),
    "a signature with the key's name": (
        "sign",
        lambda server: server.good("sign", key_id="name:fast-path-signing"),
    ),
    "a valid signature": ("verify", lambda server: server.good("verify")),
    "a valid signature of a named version": ("verify", lambda server: server.good("verify", key_version=1)),
    "a signature of another message": ("verify", lambda server: server.good("verify", message="")),
    "a MAC": ("mac", lambda server: server.good("mac")),
    "a MAC with the key's name": ("mac", lambda server: server.good("mac", key_id="name:fast-path-mac")),
    "a valid MAC": ("mac/verify", lambda server: server.good("mac/verify")),
    "a valid MAC of a named version": ("mac/verify", lambda server: server.good("mac/verify", key_version=1)),
    "a MAC of another message": ("mac/verify", lambda server: server.good("mac/verify", message="")),
    "a message under a public key": (
        "encrypt",
        lambda server: server.good("encrypt", key_id=server.hybrid_id, algorithm="hpke-x25519-ml-kem-768"),
    ),
    "an encapsulated secret": ("encapsulate", lambda server: server.good("encapsulate")),
    "a secret from its ciphertext": ("decapsulate", lambda server: server.good("decapsulate")),
    "a secret agreed on": ("shared-secret", lambda server: server.good("shared-secret")),
    "a secret of a named version": (
        "shared-secret",
        lambda server: server.good("shared-secret", key_version=1, key_id="name:fast-path-agreement"),
    ),
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
    "a batch of which none opens": (
        "decrypt/batch",
        lambda server: server.batch({"ciphertext": server.encrypted["ciphertext"], "aad": "QQ=="}),
    ),
}

BAD_BATCHES = {
    "no items": lambda server: server.batch(),
    "a thousand and one": lambda server: server.batch(*[{"data": ""}] * 1001),
    "an item that is no object": lambda server: server.batch("QQ=="),
    "an unknown member": lambda server: server.batch({"data": "", "more": 1}),
    "a reference that is too long": lambda server: server.batch({"data": "", "reference": "x" * 101}),
    "a reference that is null": lambda server: server.batch({"data": "", "reference": None}),
    "both forms": lambda server: server.batch(
        {**server.parts(), "ciphertext": server.encrypted["ciphertext"]}
    ),
    "a version beside a ciphertext": lambda server: server.batch(
        {"ciphertext": server.encrypted["ciphertext"], "key_version": 1}
    ),
    "half a form": lambda server: server.batch({"iv": "QQ=="}),
    "an empty item": lambda server: server.batch({}),
    "no key, and nothing that can be read": lambda server: {
        "algorithm": "aes-256-gcm",
        "items": [{"data": "?"}],
    },
    "items that are no list": lambda server: {**server.batch(), "items": {"data": ""}},
    "an unknown algorithm": lambda server: {**server.batch({"data": ""}), "algorithm": "rot-13"},
}

BAD_BODIES = {
    "nothing": lambda body: b"",
    "no JSON": lambda body: body[:-1],
    "text after it": lambda body: body + b" {}",
    "not UTF-8": lambda body: body.replace(b"gcm", b"gc\xff"),
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "a member twice": lambda body: body[:-1] + b', "data": ""}',
    "the same member twice": lambda body: body[:-1] + b', "algorithm": "aes-256-gcm"}',
    "a member twice, once as a number": lambda body: body[:-1] + b', "key_version": 1, "key_version": 1}',
    "a member twice, once in escapes": lambda body: body[:-1] + b', "d\\u0061ta": "QQ=="}',
    "a list": lambda body: b"[" + body + b"]",
    "null": lambda body: b"null",
    "deep nesting": lambda body: body[:-1] + b', "options": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "NaN": lambda body: body[:-1] + b', "key_version": NaN}',
    "half a surrogate pair": lambda body: body[:-1] + b', "aad": "\\ud800"}',
}

TYPED = [
    "text",
    "",
    1,
    0,
    -1,
    1.0,
    1.5,
    10**30,
    True,
    None,
    [],
    ["QQ=="],
    {},
    "QQ",
    "QQ=",
    "QQ===",
    "Q Q=",
    "QR==",
    "-_-_",
    "\u0661",
    "name:fast-path",
    "name:unknown",
    "name:Fast-path",
    "name:",
    "name:" + "a" * 65,
    "fast-path",
]

FIELDS = {
    "encrypt": ["algorithm", "data", "key_id", "key_version", "aad", "options", "unknown"],
    "decrypt": [
        "ciphertext",
        "encrypted_data",
        "iv",
        "tag",
        "key_id",
        "algorithm",
        "key_version",
        "aad",
        "unknown",
    ],
    "mac": ["key_id", "message", "unknown"],
    "mac/verify": ["key_id", "message", "mac", "key_version", "unknown"],
    "encapsulate": ["key_id", "unknown"],
    "decapsulate": ["key_id", "key_version", "ciphertext", "unknown"],
    "shared-secret": ["key_id", "public_key", "key_version", "unknown"],
    "sign": ["key_id", "signing_algorithm", "message", "digest", "encoding", "unknown"],
    "verify": [
        "key_id",
        "signing_algorithm",
        "message",
        "digest",
        "encoding",
        "signature",
        "key_version",
        "unknown",
    ],
}
