"""The requests that both paths must handle alike. ``GOOD``: by their description, an operation and its body."""

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
    "its only part": (
        "decrypt",
        lambda server: {
            "key_id": server.hybrid_id,
            "algorithm": "hpke-x25519-ml-kem-768",
            "encrypted_data": server.sealed_for_hybrid,
        },
    ),
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
    "a JWT": ("jwt/sign", lambda server: server.good("jwt/sign")),
    "a JWT with a header": (
        "jwt/sign",
        lambda server: server.good("jwt/sign", header={"typ": "at+jwt", "x": [1, {"y": None}]}),
    ),
    "a JWT with a fully specified alg": (
        "jwt/sign",
        lambda server: server.good("jwt/sign", fully_specified=True, signing_algorithm="ecdsa-sha256"),
    ),
    "a JWT of every kind of claim": (
        "jwt/sign",
        lambda server: server.good(
            "jwt/sign",
            claims={"a": [True, None, 1.5, 10**30, -1e-9], "b": {"": ""}},
            key_id="name:fast-path-signing",
        ),
    ),
    "a data key": ("data-keys", lambda server: server.good("data-keys")),
    "a data key of another size": ("data-keys", lambda server: server.good("data-keys", bits=512)),
    "a data key in another mode, with aad": (
        "data-keys",
        lambda server: server.good("data-keys", algorithm="aes-256-gcm-siv", aad=b64(b"row 7")),
    ),
    "a data key without its plaintext": (
        "data-keys",
        lambda server: server.good("data-keys", plaintext=False, key_id="name:fast-path"),
    ),
    "a key pair": ("data-keys", lambda server: server.good("data-keys", key_pair="ed25519")),
    "a derived key": ("derive", lambda server: server.good("derive")),
    "a derived key of a named version": (
        "derive",
        lambda server: server.good("derive", key_version=1, bits=4096, key_id="name:fast-path"),
    ),
}

# Those with one message.
OPERATIONS = (
    "encrypt",
    "decrypt",
    "data-keys",
    "derive",
    "jwt/sign",
    "mac",
    "mac/verify",
    "encapsulate",
    "decapsulate",
    "shared-secret",
    "sign",
    "verify",
)

# Each has a fault of another kind.
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
    "a member that is unknown": lambda body: body[:-1] + b', "more": 1}',
    "a number of another type": lambda body: body[:-1] + b', "key_version": 1.0}',
    "a number out of range": lambda body: body[:-1] + b', "key_version": 0}',
    "options that conflict": lambda body: body[:-1] + b', "options": {"mode": "cbc"}}',
}
