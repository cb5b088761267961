from uuid import UUID

import pytest

from kernel.crypto.algorithms import KEY_ALGORITHMS
from kernel.crypto.modes import MAC_MODES, SIGNING_MODES
from kernel.crypto.sealing import envelope
from keys.models import Key
from tests.audit.conftest import log_out_of_reach
from tests.factories import GrantFactory
from tests.log_entries import log_rows
from tests.personas import b64


def entries(action):
    return log_rows().filter(action=action).order_by("id")


def test_each_operation_leaves_one_entry_that_names_key_version_size_and_caller(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"], data=b"12345").json
    bench.decrypt(ciphertext=encrypted["ciphertext"])
    sealed, opened = entries("crypto.message.encrypted").get(), entries("crypto.message.decrypted").get()
    for entry in (sealed, opened):
        assert (entry.object_id, entry.object_version, entry.size, entry.count) == (key["id"], 1, 5, 1)
        assert (entry.user_id, entry.actor_name, entry.outcome) == (
            bench.persona.user.id,
            bench.persona.user.username,
            "ok",
        )


def test_a_refused_decryption_is_on_record_against_its_key(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"], aad=b64(b"right")).json
    response = bench.decrypt(ciphertext=encrypted["ciphertext"], aad=b64(b"wrong"))
    entry = entries("crypto.message.decrypted").get()
    assert (entry.code, entry.object_id) == ("decryption_failed", key["id"])
    assert (entry.outcome, entry.request_id) == ("error", response.json["request_id"])


def test_a_denied_call_is_on_record(bench, auditor):
    auditor.api.post("/api/v1/encrypt", {"algorithm": "aes-256-gcm", "data": b64(b"x")})
    entry = entries("crypto.message.encrypted").get()
    assert (entry.outcome, entry.code, entry.actor_name) == ("denied", "permission_denied", "aude")


def test_random_bytes_are_on_record_by_their_number(bench):
    response = bench.persona.api.post("/api/v1/random", {"bytes": 48, "format": "hex"})
    assert len(bytes.fromhex(response.json["data"])) == 48
    assert entries("crypto.random.generated").get().size == 48


@pytest.mark.parametrize("size", [0, 65_537, "many", None])
def test_random_refuses_other_amounts(bench, size):
    response = bench.persona.api.post("/api/v1/random", {"bytes": size})
    assert (response.status, list(response.json["errors"])) == (400, ["bytes"])


def test_no_response_leaves_while_the_log_cannot_be_written(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"]).json
    with log_out_of_reach():
        responses = [
            bench.encrypt(key["id"]),
            bench.decrypt(ciphertext=encrypted["ciphertext"]),
            bench.persona.api.post("/api/v1/reencrypt", {"ciphertext": encrypted["ciphertext"]}),
            bench.persona.api.post("/api/v1/random", {"bytes": 16}),
        ]
    assert {(response.status, response.code) for response in responses} == {(503, "audit_unavailable")}
    assert bench.encrypt(key["id"]).status == 200


def test_inspect_shows_what_a_ciphertext_says_of_itself(bench, operator, developer):
    key = bench.key()
    encrypted = bench.encrypt(key["id"]).json
    body = {"ciphertext": encrypted["ciphertext"]}
    assert bench.persona.api.post("/api/v1/inspect", body).json == {
        "key_id": key["id"],
        "key_version": 1,
        "algorithm": "aes-256-gcm",
        "state": "active",
        "status": "active",
        "version_state": "enabled",
        "may_decrypt": True,
    }
    assert operator.api.post("/api/v1/inspect", body).json["may_decrypt"] is False
    holder = {"principal_type": "user", "principal_id": str(developer.user.id)}
    granted = Key.objects.get(id=key["id"])
    GrantFactory(key=granted, operations=["decrypt"], networks=["127.0.0.0/8"], **holder)
    assert developer.api.post("/api/v1/inspect", body).json["may_decrypt"] is True
    forged = envelope.decode(encrypted["ciphertext"], max_length=10_000)
    forged = forged._replace(key_id=UUID(bench.key("ed25519")["id"]))
    body = {"ciphertext": envelope.encode(forged)}
    assert bench.persona.api.post("/api/v1/inspect", body).json["may_decrypt"] is False


def test_the_registry_lists_every_algorithm_and_mode(bench, auditor):
    registry = auditor.api.get("/api/v1/algorithms").json
    assert [(each["name"], each["purpose"]) for each in registry["key_algorithms"]] == [
        (kind.name, kind.purpose) for kind in KEY_ALGORITHMS
    ]
    assert {each["name"] for each in registry["signing_algorithms"]} == set(SIGNING_MODES)
    assert {each["name"] for each in registry["mac_algorithms"]} == set(MAC_MODES)
    assert {each["name"] for each in registry["modes"]} >= {"aes-256-gcm", "aes-256-cbc-hmac-sha512"}
