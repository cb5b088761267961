"""Batches of signatures and MACs over the REST interface. Both interfaces are compared in test_fast_path.py."""

import hashlib
import json
import re

import pytest

from crypto_ops.signatures.services.batches import MAX_AT_ONCE
from tests.crypto_ops.test_fast_path_in_process import ask
from tests.log_entries import log_rows
from tests.personas import b64

TEXTS = [b"", b"the canary sings at four", bytes(range(256))]


@pytest.fixture
def signing_key(bench):
    return bench.key("ec-p256")


@pytest.fixture
def mac_key(bench):
    return bench.key("hmac-sha512")


def send(bench, operation, key, *items, **fields):
    mode = {"signing_algorithm": key["modes"][0]} if key["purpose"] == "sign" else {}
    body = {"key_id": key["id"], "items": list(items), **mode, **fields}
    return bench.persona.api.post(f"/api/v1/{operation}", body)


def entry(key, action):
    return log_rows().filter(action=action, object_id=key["id"]).latest("id")


@pytest.mark.parametrize("encoding", ["der", "raw"])
def test_signatures_are_in_order_and_verify_singly_and_in_a_batch(bench, signing_key, encoding):
    messages = [{"message": b64(text), "reference": f"text {len(text)}"} for text in TEXTS]
    digest = {"digest": b64(hashlib.sha256(TEXTS[1]).digest())}
    signed = send(bench, "sign/batch", signing_key, *messages, digest, encoding=encoding).json
    results = signed.pop("results")
    assert signed == {"signing_algorithm": "ecdsa-sha256", "key_id": signing_key["id"], "key_version": 1}
    assert [result.get("reference") for result in results] == ["text 0", "text 24", "text 256", None]
    assert results[1]["signature"] == results[3]["signature"]  # ECDSA is deterministic here

    single = {"key_id": signing_key["id"], "signing_algorithm": "ecdsa-sha256", "encoding": encoding}
    for text, result in zip(TEXTS, results, strict=False):
        body = {**single, "message": b64(text), "signature": result["signature"]}
        assert bench.persona.api.post("/api/v1/verify", body).json["valid"]
    items = [
        {"message": b64(text), "signature": result["signature"]}
        for text, result in zip([*TEXTS, b"other"], results, strict=True)
    ]
    verified = send(bench, "verify/batch", signing_key, *items, encoding=encoding).json
    assert verified == {
        "signing_algorithm": "ecdsa-sha256",
        "key_id": signing_key["id"],
        "results": [{"valid": True}, {"valid": True}, {"valid": True}, {"valid": False}],
    }


def test_macs_are_in_order_and_verify(bench, mac_key):
    computed = send(bench, "mac/batch", mac_key, *[{"message": b64(text)} for text in TEXTS]).json
    macs = [result["mac"] for result in computed.pop("results")]
    assert computed == {"algorithm": "hmac-sha512", "key_id": mac_key["id"], "key_version": 1}
    for text, mac in zip(TEXTS, macs, strict=True):
        body = {"key_id": mac_key["id"], "message": b64(text)}
        assert bench.persona.api.post("/api/v1/mac", body).json["mac"] == mac
    items = [{"message": b64(text), "mac": mac} for text, mac in zip(TEXTS, reversed(macs), strict=True)]
    assert send(bench, "mac/verify/batch", mac_key, *items).json == {
        "algorithm": "hmac-sha512",
        "key_id": mac_key["id"],
        "results": [{"valid": False}, {"valid": True}, {"valid": False}],
    }


def test_an_item_that_cannot_be_read_does_not_affect_the_others(bench, signing_key):
    bad = [{}, {"message": "", "digest": ""}, {"message": "?"}, {"digest": b64(bytes(20))}]
    results = send(bench, "sign/batch", signing_key, *bad, {"message": ""}).json["results"]
    assert [list(result.get("problem", {}).get("errors", {})) for result in results] == [
        ["message"],
        ["digest"],
        ["message"],
        ["digest"],
        [],
    ]
    signed = entry(signing_key, "crypto.message.signed")
    assert (signed.count, signed.outcome, json.loads(signed.meta)["failed"]) == (1, "ok", 4)


def test_one_entry_counts_all_items_the_invalid_and_the_failed(bench, signing_key):
    [made] = send(bench, "sign/batch", signing_key, {"message": b64(b"12345")}).json["results"]
    items = [{"message": b64(text), "signature": made["signature"]} for text in (b"12345", b"123", b"12")]
    send(bench, "verify/batch", signing_key, *items, {"message": "", "signature": "?"})
    found = entry(signing_key, "crypto.signature.verified")
    assert (found.count, found.size, found.outcome, found.object_version) == (3, 10, "ok", 1)
    assert json.loads(found.meta) == {"algorithm": "ecdsa-sha256", "failed": 1, "invalid": 2}
    send(bench, "verify/batch", signing_key, {"message": "", "signature": "?"})
    failed = entry(signing_key, "crypto.signature.verified")
    assert (failed.outcome, failed.code, failed.count) == ("error", "invalid_request", 1)


@pytest.mark.parametrize("operation", ["verify/batch", "mac/verify/batch"])
def test_versions_are_named_and_not_tried(bench, signing_key, mac_key, operation):
    key, make, proof = (
        (signing_key, "sign/batch", "signature")
        if operation == "verify/batch"
        else (mac_key, "mac/batch", "mac")
    )
    [made] = send(bench, make, key, {"message": ""}).json["results"]
    bench.change_key(key["id"], "rotate")
    item = {"message": "", proof: made[proof]}
    versions = [{}, {"key_version": 1}, {"key_version": 2}, {"key_version": 3}]
    results = send(bench, operation, key, *[item | version for version in versions]).json["results"]
    assert [result.get("valid") for result in results] == [None, True, False, None]
    assert [list(results[at]["problem"]["errors"]) for at in (0, 3)] == [["key_version"]] * 2
    bench.change_key(key["id"], "versions/1/disable")
    [result] = send(bench, operation, key, item | {"key_version": 1}).json["results"]
    assert result["problem"]["code"] == "key_not_usable"


def test_an_error_of_the_whole_batch_refuses_it(bench, signing_key, mac_key):
    item, signature = {"message": ""}, {"message": "", "signature": ""}
    refused = send(bench, "sign/batch", bench.key("ed25519"), item, encoding="raw")
    assert set(refused.json["errors"]) == {"encoding"}
    assert send(bench, "sign/batch", signing_key, item, signing_algorithm="ed25519").status == 400
    assert send(bench, "mac/batch", {**signing_key, "purpose": "mac"}, item).code == "unsupported_algorithm"
    for key in (signing_key, mac_key):
        bench.change_key(key["id"], "disable")
    assert send(bench, "sign/batch", signing_key, item).code == "key_not_active"
    assert send(bench, "verify/batch", signing_key, signature).code == "key_not_usable"
    assert send(bench, "mac/batch", mac_key, item).code == "key_not_active"


def test_each_hundred_items_count_as_a_request(bench, mac_key, settings):
    settings.CC_THROTTLE_PRINCIPAL = "6000/day"  # not a second between the requests adds a unit

    def remaining(items):
        response = send(bench, "mac/batch", mac_key, *[{"message": ""}] * items)
        return int(re.search(r"r=(\d+)", response.headers["RateLimit"])[1])

    assert remaining(1) - remaining(301) == 4


def test_the_event_loop_makes_few_signatures_in_one_go_and_no_slow_one(bench, signing_key):
    post_quantum = bench.key("ml-dsa-44")

    def request(operation, key, count, **fields):
        body = {"key_id": key["id"], "signing_algorithm": key["modes"][0]}
        return operation, {**body, "items": [{"message": "", **fields}] * count}

    responses = ask(
        bench,
        request("sign/batch", signing_key, MAX_AT_ONCE),
        request("sign/batch", signing_key, MAX_AT_ONCE + 1),
        request("verify/batch", signing_key, MAX_AT_ONCE + 1, signature=""),
        request("sign/batch", post_quantum, 1),
        request("verify/batch", post_quantum, 1, signature=""),
    )
    assert [response and response[0] for response in responses] == [200, None, None, None, 200]
