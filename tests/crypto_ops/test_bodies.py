"""Both paths read a body with one struct and one function. The REST interface also words the errors of its members."""

import json

import msgspec
import pytest

from crypto_ops.deciding.wire import is_unambiguous
from crypto_ops.encryption import wire as encryption
from crypto_ops.fast_path.routes import ROUTES
from crypto_ops.secrets import wire as secrets
from crypto_ops.signatures import wire as signatures
from kernel.errors import DomainError, Invalid
from kernel.http import strict_json
from kernel.rest.derived import serializer_of
from kernel.rest.fields import blank
from tests.endpoints import X25519_PUBLIC_KEY
from tests.personas import b64

KEY = "0b8f5b6e-5a8e-4c39-8d0f-4a3c1b2d9e77"
SIGNED = {"key_id": KEY, "signing_algorithm": "ecdsa-sha256", "encoding": "raw"}
SEALED = {
    "encrypted_data": "QUJD",
    "iv": b64(bytes(12)),
    "tag": b64(bytes(16)),
    "key_version": 1,
    "aad": "QQ==",
}
MAC = {"message": "QQ==", "mac": b64(bytes(32)), "key_version": 1}
BODIES = {
    "encrypt": encryption.Encrypt,
    "decrypt": encryption.Decrypt,
    "sign": signatures.Sign,
    "verify": signatures.Verify,
    "jwt/sign": signatures.SignJwt,
    "mac": signatures.Mac,
    "mac/verify": signatures.VerifyMac,
    "encapsulate": secrets.Encapsulate,
    "decapsulate": secrets.Decapsulate,
    "shared-secret": secrets.Agree,
    "data-keys": secrets.DataKey,
    "derive": secrets.Derive,
    "encrypt/batch": encryption.EncryptBatch,
    "decrypt/batch": encryption.DecryptBatch,
    "sign/batch": signatures.SignBatch,
    "verify/batch": signatures.VerifyBatch,
    "mac/batch": signatures.MacBatch,
    "mac/verify/batch": signatures.VerifyMacBatch,
}
# Of each route, a body with all its members that go together.
GOOD = {
    "encrypt": {"algorithm": "aes-256-siv", "data": "QQ==", "key_id": "name:key", "key_version": 1, "aad": "QQ=="},
    "decrypt": {**SEALED, "key_id": KEY, "algorithm": "aes-256-gcm"},
    "sign": {**SIGNED, "message": "QQ=="},
    "verify": {**SIGNED, "message": "QQ==", "signature": b64(bytes(64)), "key_version": 1},
    "jwt/sign": {
        "key_id": KEY,
        "claims": {"sub": "canary", "x": [1.5, None, {"": ""}]},
        "header": {"typ": "at+jwt"},
        "signing_algorithm": "ecdsa-sha256",
        "fully_specified": True,
    },
    "mac": {"key_id": KEY, "message": "QQ=="},
    "mac/verify": {"key_id": KEY, **MAC},
    "encapsulate": {"key_id": KEY},
    "decapsulate": {"key_id": KEY, "key_version": 1, "ciphertext": "QQ=="},
    "shared-secret": {"key_id": KEY, "public_key": b64(X25519_PUBLIC_KEY), "key_version": 1},
    "data-keys": {"key_id": KEY, "bits": 512, "algorithm": "aes-256-gcm", "aad": "QQ==", "plaintext": False},
    "derive": {"key_id": KEY, "context": "QQ==", "bits": 256, "key_version": 1},
    "encrypt/batch": {
        "algorithm": "aes-256-siv",
        "key_id": KEY,
        "key_version": 1,
        "items": [{"data": "QQ==", "aad": "QQ==", "reference": "a"}],
    },
    "decrypt/batch": {
        "algorithm": "aes-256-gcm",
        "key_id": KEY,
        "items": [{**SEALED, "reference": "a"}],
    },
    "sign/batch": {**SIGNED, "items": [{"message": "QQ==", "reference": "a"}]},
    "verify/batch": {**SIGNED, "items": [{"message": "QQ==", "signature": "QQ==", "key_version": 1}]},
    "mac/batch": {"key_id": KEY, "items": [{"message": "QQ==", "reference": "a"}]},
    "mac/verify/batch": {"key_id": KEY, "items": [{**MAC, "reference": "a"}]},
}  # fmt: skip
VALUES = [
    *("text", "", "QQ", "QR==", "Q Q=", "-_-_", "\u0661", "a\0b", "x" * 100, "x" * 101, "gcm", "der", "ed25519"),
    *(1, 0, -1, 1.0, 1.5, 2**31, 10**30, True, False, None, [], ["QQ=="], {}, {"mode": "gcm"}),
    *("name:key", "name:Key", "name:", "name:" + "a" * 65, KEY.upper(), KEY.replace("-", ""), f"{{{KEY}}}"),
    *([{}], [{"data": "QQ==", "aad": None}], [{"message": "", "more": 1}], [{"iv": "QQ=="}]),
]  # fmt: skip
SPELLINGS = [
    lambda body: b"",
    lambda body: b"null",
    lambda body: b"[" + body + b"]",
    lambda body: body[:-1],
    lambda body: body + b" {}",
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.decode().encode("utf-16"),
    lambda body: body.replace(b'"', b'"\xff', 3),
    lambda body: body[:-1] + b", " + body[1:],
    lambda body: body[:-1] + b', "key_version": 1, "key_version": 1}',
    lambda body: body[:-1] + b', "k\\u0065y_id": "name:key"}',
    lambda body: body[:-1] + b', "key_version": NaN}',
    lambda body: body[:-1] + b', "aad": "\\ud800"}',
    lambda body: body[:-1] + b', "options": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    lambda body: body.replace(b"1", b"1e0").replace(b"256", b"2.56e2"),
    lambda body: body.replace(b": {", b': {"a": "b", "a": "b", ', 1),
    lambda body: body.replace(b": {", b': {"a": 1e400, ', 1),
    lambda body: body.replace(b": {", b': {"a": 01, ', 1),
]


def read_by_the_fast_path(route, body, text):
    """The request of the body; None if the fast path passes it to Django."""
    try:
        message = msgspec.json.decode(text, type=body)
        request = route.request(message) if is_unambiguous(text, message) else None
    except (DomainError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    assert request is None or request.mode or request.unknown_mode, "metrics count its refusal under a name"
    return request


def is_accepted_by_rest(body, text):
    """Whether the members are valid. The struct must then be readable, because its errors have no words."""
    try:
        serializer = blank(serializer_of(body))
        serializer.initial_data = strict_json.loads(text)
        if not serializer.is_valid():
            return False
    except DomainError:
        return False
    assert msgspec.json.decode(text, type=body) is not None, text
    return True


def odd_bodies(good):
    for name in [*good, "options", "digest", "ciphertext", "unknown"]:
        yield {other: value for other, value in good.items() if other != name}
        yield from ({**good, name: value} for value in VALUES)
    for [item] in [good["items"]] if "items" in good else []:
        yield from ({**good, "items": [item] * number} for number in (0, 1000, 1001))
        for name in (*item, "digest", "ciphertext", "unknown"):
            yield from ({**good, "items": [{**item, name: value}]} for value in VALUES)


@pytest.mark.parametrize(
    "operation", sorted({*BODIES, *(path.removeprefix("/api/v1/") for _, path in ROUTES)})
)
def test_the_fast_path_accepts_only_what_the_rest_interface_accepts(operation):
    route, body, good = ROUTES["POST", f"/api/v1/{operation}"], BODIES[operation], GOOD[operation]
    text = json.dumps(good).encode()
    assert read_by_the_fast_path(route, body, text) is not None
    assert is_accepted_by_rest(body, text)
    for odd in [json.dumps(each).encode() for each in odd_bodies(good)] + [each(text) for each in SPELLINGS]:
        accepted, request = is_accepted_by_rest(body, odd), read_by_the_fast_path(route, body, odd)
        assert accepted or request is None, odd


@pytest.mark.parametrize(
    ("operation", "member", "largest"),
    [
        ("encrypt", "aad", 64 * 1024),
        ("decrypt", "aad", 64 * 1024),
        ("data-keys", "aad", 64 * 1024),
        ("verify", "signature", 8192),
        ("mac/verify", "mac", 64),
        ("decapsulate", "ciphertext", 1568),
        ("shared-secret", "public_key", 2048),
        ("derive", "context", 1024),
    ],
)
def test_both_paths_bound_the_bytes_of_a_member(operation, member, largest):
    route, body = ROUTES["POST", f"/api/v1/{operation}"], BODIES[operation]
    for size in (largest, largest + 1):
        text = json.dumps({**GOOD[operation], member: b64(bytes(size))}).encode()
        found = read_by_the_fast_path(route, body, text) is not None, is_accepted_by_rest(body, text)
        assert found == (size == largest, size == largest), size


@pytest.mark.parametrize(
    ("operation", "member", "largest"),
    [
        ("encrypt/batch", "aad", 64 * 1024),
        ("decrypt/batch", "aad", 64 * 1024),
        ("verify/batch", "signature", 8192),
        ("mac/verify/batch", "mac", 64),
    ],
)
def test_a_member_of_an_item_that_is_too_long_is_the_fault_of_the_item(operation, member, largest):
    good = GOOD[operation]
    sent = [good["items"][0] | {member: b64(bytes(size))} for size in (largest, largest + 1)]
    message = msgspec.json.decode(json.dumps(good | {"items": sent}), type=BODIES[operation])
    fits, fault = ROUTES["POST", f"/api/v1/{operation}"].request(message).items
    assert not isinstance(fits, Invalid)
    assert list(fault.fields) == [member]


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ("", "encrypted_data iv tag key_id algorithm"),
        ("encrypted_data algorithm", "iv tag key_id"),
        ("encrypted_data iv tag algorithm", "key_id"),
        ("encrypted_data iv tag key_id", "algorithm"),
        ("ciphertext key_id", "key_id"),
        ("ciphertext algorithm", "algorithm"),
        ("ciphertext encrypted_data iv tag key_version", "encrypted_data iv tag key_version"),
    ],
)
def test_a_ciphertext_is_sent_in_one_form(sent, wrong):
    values = {**SEALED, "key_id": KEY, "algorithm": "aes-256-gcm", "ciphertext": "cc1.AQ"}
    with pytest.raises(Invalid) as refused:
        encryption.decrypt_request(encryption.Decrypt(**{name: values[name] for name in sent.split()}))
    assert list(refused.value.fields) == wrong.split()


def test_the_refusal_of_a_batch_names_the_fault_of_each_item():
    items = [
        encryption.DecryptItem(encrypted_data="QUJD"),
        encryption.DecryptItem(ciphertext="cc1.AQ"),
        encryption.DecryptItem(ciphertext="cc1.AQ", key_version=1),
    ]
    with pytest.raises(Invalid) as refused:
        encryption.decrypt_batch(encryption.DecryptBatch("aes-256-siv", KEY, items))
    assert list(refused.value.fields) == ["items.0.tag", "items.2.key_version"]


def test_empty_options_agree_with_every_mode():
    for algorithm in ("aes-256-gcm", "hpke-x25519-ml-kem-768"):
        body = encryption.Encrypt(algorithm, "QQ==", options=encryption.Options())
        assert encryption.encrypt_request(body).plaintext == b"A"
