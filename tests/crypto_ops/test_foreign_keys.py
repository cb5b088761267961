"""Keys of other systems: they open the messages that those sealed, and do nothing else."""

import base64
from uuid import UUID

import pytest
from cryptography.fernet import Fernet, MultiFernet

from kernel.crypto.sealing.foreign import FERNET
from keys.states.services import revoke_key
from tests.factories import SYSTEM
from tests.kernel.crypto.test_foreign import KEY, LONG_IV, MESSAGE, SECRET, TOKEN
from tests.keys.test_import import import_key, imported
from tests.personas import b64

RAW = "aes-256-gcm-raw"


def post(bench, path, **body):
    return bench.persona.api.post(f"/api/v1/{path}", body)


def parts(sealed=LONG_IV, aad=b"row 7"):
    iv, text, tag = map(b64, sealed)
    return {"iv": iv, "encrypted_data": text, "tag": tag, "aad": b64(aad)}


@pytest.fixture
def raw(bench):
    return imported(bench.persona, "aes-256-raw", "raw", b64(KEY))


@pytest.fixture
def multi(bench):
    """Two Fernet keys, the older first, as one key."""
    secrets = [Fernet.generate_key().decode() for _ in range(2)]
    key = imported(bench.persona, "fernet", "raw", None, versions=secrets)
    return key, [Fernet(secret) for secret in secrets]


def test_a_raw_key_opens_the_message_of_another_system_and_reencrypts(bench, raw):
    assert raw["operations"] == ["decrypt", "reencrypt"]
    opened = post(bench, "decrypt", key_id=raw["id"], algorithm=RAW, **parts()).json
    assert opened == {"data": b64(MESSAGE), "algorithm": RAW, "key_id": raw["id"], "key_version": 1}
    refused = post(bench, "decrypt", key_id=raw["id"], algorithm=RAW, **parts(aad=b"row 8"))
    assert (refused.status, refused.code) == (400, "decryption_failed")


@pytest.mark.parametrize(
    ("path", "more", "refusal"),
    [
        ("encrypt", {"algorithm": RAW, "data": ""}, (409, "key_cannot_protect")),
        ("encrypt", {"algorithm": RAW, "data": "", "options": {"mode": "gcm"}}, (400, "invalid_request")),
        ("encrypt/batch", {"algorithm": RAW, "items": [{"data": ""}]}, (409, "key_cannot_protect")),
        ("data-keys", {}, (409, "key_cannot_protect")),
        ("derive", {"context": "eA==", "bits": 256}, (400, "unsupported_algorithm")),
        ("derive", {"context": "eA==", "bits": 256, "key_version": 1}, (400, "unsupported_algorithm")),
        ("decrypt", {"algorithm": "aes-256-gcm", **parts(LONG_IV._replace(iv=bytes(12)))}, (400, "unsupported_algorithm")),
        ("decrypt", {"algorithm": "aes-128-gcm-raw", **parts()}, (400, "unsupported_algorithm")),
    ],
)  # fmt: skip
def test_a_raw_key_does_nothing_else(bench, raw, path, more, refusal):
    response = post(bench, path, key_id=raw["id"], **more)
    assert (response.status, response.code) == refusal


def test_a_raw_key_neither_rotates_nor_is_generated(bench, raw):
    rotated = post(bench, f"keys/{raw['id']}/rotate", reason="test")
    assert (rotated.status, rotated.code) == (409, "key_cannot_protect")
    created = post(bench, "keys", name="mine", algorithm="aes-256-raw")
    assert (created.status, list(created.json["errors"])) == (400, ["algorithm"])


def test_a_native_key_does_not_open_a_message_of_another_system(bench):
    key = imported(bench.persona, "aes-256", "raw", b64(KEY))
    response = post(bench, "decrypt", key_id=key["id"], algorithm=RAW, **parts())
    assert (response.status, response.code) == (400, "unsupported_algorithm")


def test_a_fernet_token_names_no_version_so_each_is_tried(bench, multi):
    key, ferns = multi
    tokens = [fern.encrypt(MESSAGE).decode() for fern in ferns]
    assert (key["primary_version"], key["origin"]) == (2, "imported")
    for number, token in enumerate(tokens, 1):
        opened = post(bench, "decrypt", key_id=key["id"], ciphertext=token).json
        assert (opened["data"], opened["key_version"]) == (b64(MESSAGE), number)
        in_parts = b64(base64.urlsafe_b64decode(token))
        opened = post(bench, "decrypt", key_id=key["id"], algorithm="fernet", encrypted_data=in_parts).json
        assert opened["key_version"] == number
    other = post(bench, "decrypt", key_id=key["id"], ciphertext=tokens[0], key_version=2)
    assert (other.status, other.code) == (400, "decryption_failed")
    items = [{"ciphertext": token} for token in (*tokens, TOKEN)]
    batch = post(bench, "decrypt/batch", key_id=key["id"], algorithm="fernet", items=items).json
    assert [result.get("data") for result in batch["results"]] == [b64(MESSAGE)] * 2 + [None]
    assert MultiFernet(ferns).decrypt(tokens[1]) == MESSAGE  # what the application did before


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"key_id": ""}, "key_id"),
        ({"iv": "AAAA"}, "iv"),
        ({"tag": "AAAA"}, "tag"),
        ({"encrypted_data": "AAAA"}, "encrypted_data"),
        ({"algorithm": RAW}, "algorithm"),
    ],
)
def test_a_fernet_token_comes_with_its_key_alone(bench, more, field):
    key = imported(bench.persona, "fernet", "raw", SECRET)
    body = {"key_id": key["id"], "ciphertext": TOKEN, "algorithm": FERNET.name, **more}
    assert post(bench, "decrypt", **{name: value for name, value in body.items() if value}).json[
        "errors"
    ].keys() == {field}
    assert post(bench, "decrypt", key_id=key["id"], ciphertext=TOKEN, algorithm="fernet").json["data"] == b64(
        b"hello"
    )


@pytest.mark.parametrize(
    ("algorithm", "body", "field"),
    [
        ("fernet", {"material": SECRET, "versions": [SECRET]}, "versions"),
        ("fernet", {"material": None}, "material"),
        ("fernet", {"material": None, "versions": [SECRET] * 17}, "versions"),
        ("aes-256", {"material": None, "versions": [b64(KEY)] * 2}, "versions"),
        ("fernet", {"material": None, "versions": [SECRET, b64(KEY[:31])]}, "material"),
        ("aes-192-raw", {"material": b64(KEY)}, "material"),
    ],
)
def test_an_import_has_one_material_or_versions_of_a_foreign_key(bench, algorithm, body, field):
    response = import_key(bench.persona, algorithm, "raw", body.pop("material"), **body)
    assert (response.status, list(response.json["errors"])) == (400, [field])


def test_reencryption_brings_messages_of_other_systems_under_a_key_of_this_server(bench, raw):
    fernet = imported(bench.persona, "fernet", "raw", SECRET)
    target = bench.key()
    in_parts = {"source_key_id": raw["id"], "algorithm": RAW, **parts()}
    token = {"source_key_id": fernet["id"], "ciphertext": TOKEN}
    for source, plaintext, aad in ((in_parts, MESSAGE, b"row 7"), (token, b"hello", b"")):
        for target_aad in ({}, {"target_aad": b64(b"new")}):
            moved = post(bench, "reencrypt", key_id=target["id"], **source, **target_aad).json
            assert (moved["key_id"], moved["source_key_version"]) == (target["id"], 1)
            assert (moved["source_authenticated"], moved["source_compromised"]) == (True, False)
            opened = bench.decrypt(ciphertext=moved["ciphertext"], aad=target_aad.get("target_aad", b64(aad)))
            assert opened.json["data"] == b64(plaintext)
    same = post(bench, "reencrypt", **in_parts)
    assert (same.status, same.code) == (409, "key_cannot_protect")


def test_reencryption_brings_messages_of_a_compromised_key_to_safety(bench, multi):
    key, ferns = multi
    target = bench.key()
    revoke_key(principal=SYSTEM, key_id=UUID(key["id"]), reason="it leaked", compromised=True)
    body = {
        "key_id": target["id"],
        "source_key_id": key["id"],
        "ciphertext": ferns[0].encrypt(MESSAGE).decode(),
    }
    assert post(bench, "reencrypt", **body).json["errors"].keys() == {"reason"}
    moved = post(bench, "reencrypt", **body, reason="it leaked").json
    assert (moved["source_key_version"], moved["source_compromised"]) == (1, True)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"encrypted_data": ""}, {"source_key_id", "algorithm"}),
        ({}, {"encrypted_data", "source_key_id", "algorithm"}),
        ({**parts(), "source_key_id": "name:any", "algorithm": RAW, "context": ""}, {"context"}),
        ({"encrypted_data": "", "source_key_id": "name:any", "algorithm": RAW}, {"iv", "tag"}),
        ({"ciphertext": TOKEN}, {"source_key_id"}),
        ({"ciphertext": TOKEN, "source_key_id": "name:any", "context": "", "iv": ""}, {"context", "iv"}),
        ({"ciphertext": "vault:v1:AAAA"}, {"source_key_id"}),
        ({"ciphertext": "vault:v1:AAAA", "source_key_id": "name:any", "key_version": 1}, {"key_version"}),
        ({"ciphertext": "cc1.AAAA", "source_key_id": "name:any"}, {"source_key_id"}),
        (
            {"ciphertext": "cc1.AAAA", "tag": "", "algorithm": RAW, "key_version": 1, "context": ""},
            {"tag", "algorithm", "key_version", "context"},
        ),
    ],
)
def test_each_form_of_a_message_has_its_members(bench, body, fields):
    assert set(post(bench, "reencrypt", **body).json["errors"]) == fields


def test_a_fernet_token_has_no_additional_data(bench):
    key, target = imported(bench.persona, "fernet", "raw", SECRET)["id"], bench.key()["id"]
    for path, keys in (("decrypt", {"key_id": key}), ("reencrypt", {"key_id": target, "source_key_id": key})):
        for aad, status in (("", 200), (b64(b"row 7"), 400)):
            assert post(bench, path, ciphertext=TOKEN, aad=aad, **keys).status == status


def test_reencryption_tries_a_named_version_alone(bench, multi):
    key, ferns = multi
    token = ferns[0].encrypt(MESSAGE)
    in_parts = {"algorithm": FERNET.name, "encrypted_data": b64(base64.urlsafe_b64decode(token))}
    keys = {"key_id": bench.key()["id"], "source_key_id": key["id"]}
    for form in ({"ciphertext": token.decode()}, in_parts):
        assert post(bench, "reencrypt", **form, **keys, key_version=1).json["source_key_version"] == 1
        assert post(bench, "reencrypt", **form, **keys, key_version=2).code == "decryption_failed"


def test_each_further_version_that_is_tried_costs_a_request(bench, multi, settings):
    settings.CC_THROTTLE_PRINCIPAL = "6000/day"  # not a second between the requests adds a unit
    key, ferns = multi
    token, target = ferns[0].encrypt(MESSAGE).decode(), bench.key()["id"]

    def left(path, **body):
        limit = post(bench, path, ciphertext=token, **body).headers["RateLimit"]
        return int(limit.split(";")[1].removeprefix("r="))

    for path, keys in (
        ("decrypt", {"key_id": key["id"]}),
        ("reencrypt", {"key_id": target, "source_key_id": key["id"]}),
    ):
        before = left(path, **keys, key_version=1)
        assert (left(path, **keys, key_version=1), left(path, **keys)) == (before - 1, before - 3)


def test_a_job_reencrypts_tokens_and_counts_them_by_version(bench, multi):
    key, ferns = multi
    target = bench.key()
    refused = post(bench, "reencryptions", key_id=key["id"])
    assert (refused.status, refused.code) == (409, "key_cannot_protect")
    job = post(bench, "reencryptions", key_id=key["id"], target_key_id=target["id"]).json["id"]
    tokens = [fern.encrypt(MESSAGE).decode() for fern in (*ferns, ferns[0])]
    items = [
        {"ciphertext": tokens[0], "target_aad": b64(b"row 1")},
        *({"ciphertext": token} for token in (*tokens[1:], TOKEN)),
    ]
    page = post(
        bench, f"reencryptions/{job}/pages", items=[*items, {"iv": "?"}, {"ciphertext": "cc1.AA"}]
    ).json
    assert (page["reencrypted"], page["current"], page["refused"]) == (3, 0, 3)
    moved = [result.get("ciphertext") for result in page["results"]]
    assert bench.decrypt(ciphertext=moved[0], aad=b64(b"row 1")).json["data"] == b64(MESSAGE)
    assert bench.decrypt(ciphertext=moved[1]).json["data"] == b64(MESSAGE)
    again = post(bench, f"reencryptions/{job}/pages", items=[{"ciphertext": moved[1]}]).json
    assert (again["current"], again["results"][0]["ciphertext"]) == (1, moved[1])
    report = post(bench, f"reencryptions/{job}/complete").json["report"]
    counts = {row["version"]: (row["reencrypted"], row["refused"]) for row in report["versions"]}
    assert counts == {1: (2, 0), 2: (1, 0)}


def test_a_job_reencrypts_parts(bench, raw):
    job = post(bench, "reencryptions", key_id=raw["id"], target_key_id=bench.key()["id"]).json["id"]
    items = [{"algorithm": RAW, **parts()}, {"algorithm": RAW, **parts(aad=b"row 8")}]
    page = post(bench, f"reencryptions/{job}/pages", items=items).json
    assert (page["reencrypted"], page["refused"]) == (1, 1)
    assert page["results"][1]["problem"]["code"] == "decryption_failed"
    assert bench.decrypt(ciphertext=page["results"][0]["ciphertext"], aad=b64(b"row 7")).json["data"] == b64(
        MESSAGE
    )
