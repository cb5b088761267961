"""Data keys and key pairs over the REST interface. Both interfaces are compared in test_fast_path.py."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from crypto_ops.secrets.services.data_keys import BITS, KEY_PAIRS
from keys.models import KeyVersion
from tests.crypto_ops.test_fast_path_in_process import ask
from tests.log_entries import log_rows
from tests.personas import b64


def generate(bench, key, **fields):
    return bench.persona.api.post("/api/v1/data-keys", {"key_id": key["id"], **fields})


@pytest.mark.parametrize("bits", BITS)
def test_a_data_key_of_each_size_decrypts_with_its_aad(bench, key, bits):
    made = generate(bench, key, bits=bits, aad=b64(b"row"))
    assert made.json == {
        "plaintext": made.json["plaintext"],
        "ciphertext": made.json["ciphertext"],
        "algorithm": "aes-256-gcm",
        "key_id": key["id"],
        "key_version": 1,
        "bits": bits,
    }
    assert len(base64.b64decode(made.json["plaintext"])) * 8 == bits
    opened = bench.decrypt(ciphertext=made.json["ciphertext"], aad=b64(b"row"))
    assert opened.json["data"] == made.json["plaintext"]
    assert bench.decrypt(ciphertext=made.json["ciphertext"]).code == "decryption_failed"


@pytest.mark.parametrize(
    ("algorithm", "mode"),
    [
        ("aes-128", "aes-128-gcm"),
        ("chacha20", "chacha20-poly1305"),
        ("aes-256-siv", "aes-256-siv"),
        ("x25519-ml-kem-768", "hpke-x25519-ml-kem-768"),
    ],
)
def test_every_kind_of_encryption_key_protects_data_keys(bench, algorithm, mode):
    made = generate(bench, bench.key(algorithm)).json
    assert (made["algorithm"], made["bits"]) == (mode, 256)
    assert bench.decrypt(ciphertext=made["ciphertext"]).json["data"] == made["plaintext"]


def test_no_data_key_is_generated_twice_and_the_mode_may_be_named(bench, key):
    made = [generate(bench, key, algorithm="aes-256-gcm-siv").json for _ in range(3)]
    assert {each["algorithm"] for each in made} == {"aes-256-gcm-siv"}
    assert len({each["plaintext"] for each in made}) == 3


@pytest.mark.parametrize("key_pair", [name for name in KEY_PAIRS if name != "rsa-4096"])  # takes long
def test_a_key_pair_of_each_type_decrypts_to_its_private_key(bench, key, key_pair):
    made = generate(bench, key, key_pair=key_pair).json
    private = load_der_private_key(base64.b64decode(made["plaintext"]), None)
    assert private.public_key() == load_der_public_key(base64.b64decode(made["public_key"]))
    assert bench.decrypt(ciphertext=made["ciphertext"]).json["data"] == made["plaintext"]
    assert ("bits" in made, made["key_pair"]) == (False, key_pair)


def test_an_rsa_key_encrypts_data_keys_and_short_private_keys(bench):
    key = bench.key("rsa-3072", purpose="encrypt")
    for fields in ({"bits": 512}, {"key_pair": "ed25519"}):
        made = generate(bench, key, **fields).json
        assert bench.decrypt(ciphertext=made["ciphertext"]).json["data"] == made["plaintext"]
    too_long = generate(bench, key, key_pair="rsa-3072")
    assert (too_long.status, set(too_long.json["errors"])) == (400, {"key_pair"})
    assert set(generate(bench, key, aad=b64(b"row")).json["errors"]) == {"aad"}


def test_a_plaintext_that_is_not_requested_is_not_returned_and_the_log_says_so(bench, key):
    kept = generate(bench, key, plaintext=False).json
    shown = generate(bench, key, plaintext=True, key_pair="ed25519").json
    assert ("plaintext" in kept, "plaintext" in shown) == (False, True)
    assert len(base64.b64decode(bench.decrypt(ciphertext=kept["ciphertext"]).json["data"])) == 32
    entries = log_rows().filter(action="crypto.data_key.generated", object_id=key["id"]).order_by("id")
    assert [(entry.object_version, entry.size) for entry in entries] == [(1, 32), (1, 48)]
    assert [json.loads(entry.meta) for entry in entries] == [
        {"algorithm": "aes-256-gcm", "plaintext": False},
        {"algorithm": "aes-256-gcm"},
    ]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"bits": 100}, "bits"),
        ({"bits": 0}, "bits"),
        ({"bits": True}, "bits"),
        ({"bits": 256, "key_pair": "ed25519"}, "bits"),
        ({"plaintext": "no"}, "plaintext"),
        ({"aad": "?"}, "aad"),
        ({"key_pair": ""}, "key_pair"),
    ],
)
def test_a_bad_request_names_the_field(bench, key, fields, named):
    response = generate(bench, key, **fields)
    assert (response.status, set(response.json["errors"])) == (400, {named})


def test_other_keys_modes_and_pairs_are_unsupported(bench, key):
    refused = [
        generate(bench, bench.key("ed25519")),
        generate(bench, key, algorithm="chacha20-poly1305"),
        generate(bench, key, algorithm="rot-13"),
        generate(bench, key, key_pair="x25519-ml-kem-768"),
        generate(bench, key, key_pair="aes-256"),
        generate(bench, key, key_pair="rsa-2048"),  # only imported keys are that short
    ]
    assert {response.code for response in refused} == {"unsupported_algorithm"}


def test_a_data_key_is_an_invocation_and_needs_an_active_key(bench, key):
    KeyVersion.objects.filter(key_id=key["id"]).update(uses_reserved=2**32)
    assert generate(bench, key).code == "usage_limit_reached"
    bench.change_key(key["id"], "rotate")
    assert generate(bench, key).json["key_version"] == 2
    bench.change_key(key["id"], "revoke")
    assert generate(bench, key).code == "key_not_active"


def test_the_event_loop_generates_no_rsa_key(bench, key):
    fast, slow = ask(
        bench,
        ("data-keys", {"key_id": key["id"], "key_pair": "ec-p521"}),
        ("data-keys", {"key_id": key["id"], "key_pair": "rsa-3072"}),
    )
    assert (fast[0], slow) == (200, None)
