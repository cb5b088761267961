import base64
import uuid

import pytest
from django.test import override_settings

from crypto_ops.fast_path.routes import ROUTES
from kernel.crypto.algorithms import SEALING_MODES
from kernel.crypto.sealing import envelope
from tests.crypto_ops.conftest import PLAINTEXT, split_form
from tests.personas import b64


def test_every_mode_gives_the_data_back_in_both_forms(bench, mode):
    key = bench.key(mode.key_algorithm)
    encrypted = bench.encrypt(key["id"], mode.name, aad=b64(b"row 7")).json
    opaque = bench.decrypt(ciphertext=encrypted["ciphertext"], aad=b64(b"row 7"))
    split = bench.decrypt(**split_form(encrypted), aad=b64(b"row 7"))
    assert base64.b64decode(opaque.json["data"]) == PLAINTEXT
    assert opaque.json == split.json
    assert opaque.json["key_version"] == 1


def test_the_parts_have_the_lengths_of_the_mode(bench, mode):
    encrypted = bench.encrypt(bench.key(mode.key_algorithm)["id"], mode.name).json
    lengths = [len(base64.b64decode(encrypted[part])) for part in ("iv", "tag")]
    assert lengths == [mode.iv_size, mode.tag_size]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_empty_body_is_an_object_without_members(bench, method, path):
    empty, without = (bench.persona.api.send(method, path, body) for body in (None, b"{}"))
    assert empty.code == "invalid_request"
    assert empty.json["errors"] == without.json["errors"]


def test_empty_data_is_data(bench, mode):
    encrypted = bench.encrypt(bench.key(mode.key_algorithm)["id"], mode.name, b"").json
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).json["data"] == ""


def test_altered_messages_and_wrong_additional_data_have_one_response(bench, mode):
    key = bench.key(mode.key_algorithm)
    encrypted = bench.encrypt(key["id"], mode.name, aad=b64(b"right")).json
    parts = split_form(encrypted)
    responses = [bench.decrypt(**parts, aad=b64(b"wrong")), bench.decrypt(**parts)]
    for part in ("encrypted_data", "iv", "tag"):
        content = bytearray(base64.b64decode(encrypted[part]))
        if content:
            content[0] ^= 1
            responses.append(bench.decrypt(**{**parts, part: b64(bytes(content))}, aad=b64(b"right")))
    bodies = [{k: v for k, v in response.json.items() if k != "request_id"} for response in responses]
    assert {response.code for response in responses} == {"decryption_failed"}
    assert all(body == bodies[0] for body in bodies)


def test_a_ciphertext_relabelled_with_another_key_does_not_open(bench):
    one, two = bench.key(name="bench-one"), bench.key(name="bench-two")
    encrypted = bench.encrypt(one["id"]).json
    response = bench.decrypt(**{**split_form(encrypted), "key_id": two["id"]})
    assert (response.status, response.code) == (400, "decryption_failed")


def test_a_ciphertext_relabelled_with_a_version_that_never_was_does_not_open(bench):
    encrypted = bench.encrypt(bench.key()["id"]).json
    parsed = envelope.decode(encrypted["ciphertext"], max_length=1000)
    relabelled = envelope.encode(envelope.Envelope(parsed.mode, parsed.key_id, 9, parsed.sealed))
    assert bench.decrypt(ciphertext=relabelled).code == "decryption_failed"


@pytest.mark.parametrize("name", ["encrypted_data", "iv", "tag", "key_version"])
def test_a_ciphertext_takes_no_member_that_it_already_contains(bench, name):
    encrypted = bench.encrypt(bench.key()["id"]).json
    response = bench.decrypt(ciphertext=encrypted["ciphertext"], **{name: split_form(encrypted)[name]})
    assert (response.code, list(response.json["errors"])) == ("invalid_request", [name])


def test_a_mode_without_a_tag_takes_none(bench):
    mode = SEALING_MODES["hpke-x25519-ml-kem-768"]
    encrypted = split_form(bench.encrypt(bench.key(mode.key_algorithm)["id"], mode.name).json)
    assert bench.decrypt(**encrypted | {"tag": ""}).status == 200
    assert bench.decrypt(**encrypted | {"tag": b64(bytes(16))}).code == "malformed_ciphertext"


def test_the_same_data_twice_gives_different_ciphertexts_except_where_that_is_the_mode(bench, mode):
    key = bench.key(mode.key_algorithm)
    first, second = (bench.encrypt(key["id"], mode.name).json["ciphertext"] for _ in range(2))
    assert (first == second) is mode.deterministic


def test_after_a_rotation_the_old_message_opens_without_its_version(bench):
    key = bench.key()
    old = bench.encrypt(key["id"]).json
    bench.change_key(key["id"], "rotate")
    new = bench.encrypt(key["id"]).json
    assert (old["key_version"], new["key_version"]) == (1, 2)
    for encrypted in (old, new):
        response = bench.decrypt(**split_form(encrypted, version=False))
        assert response.json["key_version"] == encrypted["key_version"]


def test_a_large_message_needs_its_version_once_there_are_two(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"], data=bytes(70_000)).json
    assert bench.decrypt(**split_form(encrypted, version=False)).status == 200
    bench.change_key(key["id"], "rotate")
    response = bench.decrypt(**split_form(encrypted, version=False))
    assert (response.code, list(response.json["errors"])) == ("invalid_request", ["key_version"])
    assert bench.decrypt(**split_form(encrypted)).status == 200


def test_without_a_key_the_callers_default_key_is_made_once(bench, developer):
    first, second = (
        developer.api.post("/api/v1/encrypt", {"algorithm": "aes-256-gcm", "data": b64(b"x")}).json["key_id"]
        for _ in range(2)
    )
    assert first == second
    assert developer.api.get(f"/api/v1/keys/{first}").json["created_by"] == str(developer.user.id)


def test_a_deterministic_key_encrypts_under_a_named_older_version(bench):
    key = bench.key("aes-256-siv")
    old = bench.encrypt(key["id"], "aes-256-siv").json
    bench.change_key(key["id"], "rotate")
    again = bench.encrypt(key["id"], "aes-256-siv", key_version=1).json
    assert again["ciphertext"] == old["ciphertext"]


def test_other_modes_take_no_version(bench):
    key = bench.key()
    bench.change_key(key["id"], "rotate")
    response = bench.encrypt(key["id"], key_version=1)
    assert (response.status, list(response.json["errors"])) == (400, ["key_version"])


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ({"mode": "gcm"}, True),
        ({"mode": "gcm", "padding": "pkcs7"}, True),
        ({"mode": "cbc"}, False),
        ({"padding": "none"}, False),
        ({"speed": "high"}, False),
    ],
)
def test_options_must_agree_with_the_algorithm(bench, options, accepted):
    response = bench.encrypt(bench.key()["id"], options=options)
    assert response.status == (200 if accepted else 400)
    if not accepted:
        assert next(iter(response.json["errors"])).startswith("options")


def test_a_mode_that_the_key_does_not_have_is_unsupported(bench):
    response = bench.encrypt(bench.key()["id"], "chacha20-poly1305")
    assert (response.status, response.code) == (400, "unsupported_algorithm")
    assert response.json["errors"].keys() == {"algorithm"}


@pytest.mark.parametrize("data", ["aGk", "aGk=\n", "aG k=", "aGl=", "-_8=", 5, None, ["aGk="]])
def test_loose_base64_is_refused_by_the_name_of_its_field(bench, data):
    body = {"algorithm": "aes-256-gcm", "data": data, "key_id": bench.key()["id"]}
    response = bench.persona.api.post("/api/v1/encrypt", body)
    assert (response.status, list(response.json["errors"])) == (400, ["data"])


@override_settings(CC_MAX_PLAINTEXT_BYTES=1024 * 1024)
def test_more_than_the_plaintext_limit_is_refused(bench):
    response = bench.encrypt(bench.key()["id"], data=bytes(1024 * 1024 + 1))
    assert (response.status, list(response.json["errors"])) == (400, ["data"])


@pytest.mark.parametrize("missing", ["encrypted_data", "iv", "tag", "key_id", "algorithm"])
def test_each_missing_part_is_named(bench, missing):
    parts = split_form(bench.encrypt(bench.key()["id"]).json)
    del parts[missing]
    assert list(bench.decrypt(**parts).json["errors"]) == [missing]


def test_both_forms_at_once_are_refused(bench):
    encrypted = bench.encrypt(bench.key()["id"]).json
    response = bench.decrypt(ciphertext=encrypted["ciphertext"], iv=encrypted["iv"])
    assert (response.status, list(response.json["errors"])) == (400, ["iv"])


@pytest.mark.parametrize("text", ["", "cc1.", "cc1.AAAA", "cc2.AQ", "x" * 100, "cc1." + "A" * 60])
def test_an_invalid_ciphertext_is_malformed(bench, text):
    response = bench.decrypt(ciphertext=text)
    assert (
        response.status,
        response.code in {"malformed_ciphertext", "invalid_request", "decryption_failed"},
    ) == (
        400,
        True,
    )


def test_another_persons_key_does_not_exist(bench, developer, stranger):
    key = developer.api.post("/api/v1/keys", {"name": "dora-key", "algorithm": "aes-256"}).json
    body = {"algorithm": "aes-256-gcm", "data": b64(b"x"), "key_id": key["id"]}
    encrypted = developer.api.post("/api/v1/encrypt", body).json
    responses = [
        stranger.api.post("/api/v1/encrypt", body),
        stranger.api.post("/api/v1/encrypt", {**body, "key_id": str(uuid.uuid4())}),
        stranger.api.post("/api/v1/decrypt", {"ciphertext": encrypted["ciphertext"]}),
        stranger.api.post("/api/v1/reencrypt", {"ciphertext": encrypted["ciphertext"]}),
        stranger.api.post("/api/v1/inspect", {"ciphertext": encrypted["ciphertext"]}),
    ]
    assert {(response.status, response.code) for response in responses} == {(404, "not_found")}


def test_reading_a_key_is_not_using_it(bench, operator, auditor):
    encrypted = bench.encrypt(bench.key()["id"]).json
    for persona in (operator, auditor):
        response = persona.api.post("/api/v1/decrypt", {"ciphertext": encrypted["ciphertext"]})
        assert (response.status, response.code) == (403, "permission_denied")


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
def test_a_message_is_not_reencrypted_with_a_key_that_does_not_encrypt(bench, key, algorithm):
    ciphertext = bench.encrypt(key["id"]).json["ciphertext"]
    body = {"ciphertext": ciphertext, "key_id": bench.key(algorithm)["id"]}
    assert bench.persona.api.post("/api/v1/reencrypt", body).code == "unsupported_algorithm"
