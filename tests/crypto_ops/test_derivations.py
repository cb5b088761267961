"""Derived keys over the REST interface. Both interfaces are compared in test_fast_path.py."""

import base64
import hashlib
import hmac
from uuid import UUID

import pytest

from keys.ring.key_loading import load_key
from tests.log_entries import log_rows
from tests.personas import b64

CONTEXT = b"tenant 7"


def derive(bench, key, **fields):
    body = {"key_id": key["id"], "context": b64(CONTEXT), "bits": 256, **fields}
    return bench.persona.api.post("/api/v1/derive", body)


def hkdf(material, info, size):
    """HKDF-SHA256 (RFC 5869) without salt, from the standard library."""
    pseudorandom = hmac.digest(bytes(32), material, hashlib.sha256)
    block, output, number = b"", b"", 0
    while len(output) < size:
        number += 1
        block = hmac.digest(pseudorandom, block + info + bytes([number]), hashlib.sha256)
        output += block
    return output[:size]


@pytest.mark.parametrize("algorithm", ["aes-256", "aes-128", "chacha20", "aes-256-siv"])
@pytest.mark.parametrize("bits", [128, 4096])
def test_it_is_hkdf_of_the_material_with_the_documented_info(bench, algorithm, bits):
    key = bench.key(algorithm)
    response = derive(bench, key, bits=bits).json
    material = load_key(UUID(key["id"])).versions[1]._unwrap().expose()
    expected = hkdf(material, b"cc/derive/v1\x00" + CONTEXT, bits // 8)
    assert response == {
        "derived": b64(expected),
        "algorithm": "hkdf-sha256",
        "key_id": key["id"],
        "key_version": 1,
    }


def test_another_context_or_version_gives_another_key(bench, key):
    first = derive(bench, key).json
    assert derive(bench, key).json == first
    assert derive(bench, key, context=b64(b"tenant 8")).json["derived"] != first["derived"]
    bench.change_key(key["id"], "rotate")
    second = derive(bench, key).json
    assert (second["key_version"], second["derived"] != first["derived"]) == (2, True)
    assert derive(bench, key, key_version=1).json == first


def test_a_named_version_derives_as_long_as_it_may_decrypt(bench, key):
    first = derive(bench, key).json
    bench.change_key(key["id"], "rotate")
    bench.change_key(key["id"], "revoke")
    assert derive(bench, key).code == "key_not_active"
    assert derive(bench, key, key_version=1).json == first
    bench.change_key(key["id"], "versions/1/disable")
    assert derive(bench, key, key_version=1).code == "key_not_usable"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"context": ""}, "context"),
        ({"context": b64(bytes(1025))}, "context"),
        ({"bits": 120}, "bits"),
        ({"bits": 129}, "bits"),
        ({"bits": 4104}, "bits"),
        ({"key_version": 2}, "key_version"),
    ],
)
def test_a_bad_request_names_the_field(bench, key, fields, named):
    response = derive(bench, key, **fields)
    assert (response.status, set(response.json["errors"])) == (400, {named})


def test_only_symmetric_keys_that_encrypt_derive(bench):
    keys = [bench.key("x25519-ml-kem-768"), bench.key("hmac-sha256"), bench.key("ed25519")]
    assert [derive(bench, key).code for key in keys] == ["unsupported_algorithm"] * 3
    assert not any("derive" in key["operations"] for key in keys)


def test_the_log_has_the_size_and_not_the_context(bench, key):
    derive(bench, key, bits=128)
    [entry] = log_rows().filter(action="crypto.key.derived", object_id=key["id"])
    assert (entry.object_version, entry.size, entry.meta) == (1, 16, '{"algorithm":"hkdf-sha256"}')
    assert base64.b64encode(CONTEXT).decode() not in str(vars(entry))
