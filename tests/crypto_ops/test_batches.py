"""A batch has many messages, one decision and one audit event; each item has its own result."""

import pytest

from audit.models import UsageRollup
from audit.sequencing.bundles.step import sequence_step
from kernel.crypto.modes import SEALING_MODES
from kernel.observability.metrics import encryption_operations_total
from keys.models import Key, KeyVersion
from keys.ring.invocations import counter_of
from tests.crypto_ops.test_fast_path_in_process import ask
from tests.log_entries import log_rows
from tests.personas import b64

MODE = "aes-256-gcm"


def entries(action):
    return list(log_rows().filter(action=f"crypto.message.{action}").order_by("id"))


def seal(bench, key, *items, algorithm=MODE, **fields):
    body = {"algorithm": algorithm, "key_id": key["id"], "items": list(items), **fields}
    return bench.persona.api.post("/api/v1/encrypt/batch", body)


def unseal(bench, key, *items, algorithm=MODE):
    body = {"algorithm": algorithm, "key_id": key["id"], "items": list(items)}
    return bench.persona.api.post("/api/v1/decrypt/batch", body)


def test_each_message_takes_one_invocation_of_its_version(bench, key):
    bench.encrypt(key["id"])
    counter = counter_of(KeyVersion.objects.get().pk)
    left = counter._left
    bench.encrypt(key["id"])
    assert counter._left == left - 1
    seal(bench, key, *[{"data": b64(b"x")}] * 3)
    assert counter._left == left - 4


def test_a_batch_is_decrypted_in_order_singly_and_in_a_batch(bench, key):
    texts = [b"", b"one", b"\x00\xff" * 40]
    sealed = seal(bench, key, *[{"data": b64(text), "aad": b64(b"row")} for text in texts])
    assert sealed.status == 200, sealed.json
    assert (sealed.json["key_id"], sealed.json["key_version"], sealed.json["algorithm"]) == (
        key["id"],
        1,
        MODE,
    )
    ciphertexts = [result["ciphertext"] for result in sealed.json["results"]]

    opened = unseal(bench, key, *[{"ciphertext": text, "aad": b64(b"row")} for text in ciphertexts])
    assert [result["data"] for result in opened.json["results"]] == [b64(text) for text in texts]
    singly = [bench.decrypt(ciphertext=text, aad=b64(b"row")).json["data"] for text in ciphertexts]
    assert singly == [b64(text) for text in texts]


@pytest.mark.parametrize("algorithm", ["aes-256-gcm-siv", "aes-256-cbc-hmac-sha512"])
def test_every_mode_of_a_key_seals_in_batches(bench, key, algorithm):
    sealed = seal(bench, key, {"data": b64(b"x")}, {"data": b64(b"y")}, algorithm=algorithm)
    again = [{"ciphertext": result["ciphertext"]} for result in sealed.json["results"]]
    opened = unseal(bench, key, *again, algorithm=algorithm)
    assert [result["data"] for result in opened.json["results"]] == [b64(b"x"), b64(b"y")]


@pytest.mark.parametrize("algorithm", ["aes-256-gcm", "aes-256-siv", "hpke-x25519-ml-kem-768"])
def test_both_paths_need_the_parts_that_the_mode_has(bench, algorithm):
    key = bench.key(SEALING_MODES[algorithm].key_algorithm)
    sealed = bench.encrypt(key["id"], algorithm).json
    parts = {name: sealed[name] for name in ("encrypted_data", "iv", "tag") if sealed[name]}
    batch = {"algorithm": algorithm, "key_id": key["id"]}
    single = ("decrypt", {**batch, **parts})
    for path, body in (single, ("decrypt/batch", {**batch, "items": [parts, {**parts, "key_version": 1}]})):
        response = bench.persona.api.post(f"/api/v1/{path}", body)
        [fast] = ask(bench, (path, body))
        assert fast == (response.status, response.json)
        assert response.status == 200
    for name in parts:
        item = {other: value for other, value in parts.items() if other != name}
        response = unseal(bench, key, parts, item, algorithm=algorithm)
        assert (response.status, list(response.json["errors"])) == (400, [f"items.1.{name}"])
        assert ask(bench, ("decrypt/batch", {**batch, "items": [item]}), ("decrypt", {**batch, **item})) == [
            None,
            None,
        ]


def test_no_iv_is_used_twice_in_a_batch(bench, key):
    results = seal(bench, key, *[{"data": b64(b"same")}] * 500).json["results"]
    opening = bench.decrypt(ciphertext=results[0]["ciphertext"])
    assert opening.status == 200
    assert len({result["ciphertext"] for result in results}) == 500


def test_one_entry_counts_all_items_and_how_many_failed(bench, key):
    seal(bench, key, {"data": b64(b"12345")}, {"data": "?"}, {"data": b64(b"123")})
    [entry] = entries("encrypted")
    assert (entry.count, entry.size, entry.outcome, entry.object_version) == (2, 8, "ok", 1)
    assert entry.meta == '{"algorithm":"aes-256-gcm","failed":1}'
    while sequence_step():
        pass
    assert UsageRollup.objects.get(operation="crypto.message.encrypted", outcome="ok").count == 2


def test_a_batch_of_nothing_but_failures_is_an_error_on_record(bench, key):
    sealed = bench.encrypt(key["id"]).json["ciphertext"]
    response = unseal(bench, key, {"ciphertext": sealed, "aad": b64(b"other")}, {"ciphertext": "cc1.AA"})
    assert [result["problem"]["code"] for result in response.json["results"]] == [
        "decryption_failed",
        "malformed_ciphertext",
    ]
    [entry] = entries("decrypted")
    assert (entry.outcome, entry.code, entry.count, entry.size) == ("error", "decryption_failed", 2, 0)


def test_an_item_has_its_own_result_and_keeps_its_reference(bench, key):
    sealed = bench.encrypt(key["id"]).json
    other = bench.encrypt(bench.key(name="other")["id"]).json
    parts = {name: sealed[name] for name in ("encrypted_data", "iv", "tag")}
    response = unseal(
        bench,
        key,
        {"ciphertext": sealed["ciphertext"], "reference": "good"},
        {"ciphertext": other["ciphertext"], "reference": "of another key"},
        {**parts, "tag": b64(bytes(16)), "reference": "altered"},
        {**parts, "reference": "in parts"},
        {**parts, "key_version": 2, "reference": "of no version"},
    )
    reported = {result["reference"]: result for result in response.json["results"]}
    assert (
        reported["good"]["data"]
        == reported["in parts"]["data"]
        == bench.decrypt(**sealed_form(sealed)).json["data"]
    )
    assert list(reported["of another key"]["problem"]["errors"]) == ["ciphertext"]
    assert reported["altered"]["problem"] == reported["of no version"]["problem"]
    assert reported["altered"]["problem"]["code"] == "decryption_failed"
    assert "request_id" not in reported["altered"]["problem"]


def sealed_form(sealed):
    return {"ciphertext": sealed["ciphertext"]}


def test_in_a_batch_versions_are_named_and_not_tried(bench, key):
    sealed = bench.encrypt(key["id"]).json
    parts = {name: sealed[name] for name in ("encrypted_data", "iv", "tag")}
    bench.change_key(key["id"], "rotate")
    response = unseal(bench, key, parts, {**parts, "key_version": 1}, {"ciphertext": sealed["ciphertext"]})
    first, second, third = response.json["results"]
    assert list(first["problem"]["errors"]) == ["key_version"]
    assert second == third
    assert entries("decrypted")[-1].object_version == 1


def test_a_key_that_may_not_be_used_refuses_the_whole_batch(bench, key):
    sealed = bench.encrypt(key["id"]).json
    bench.change_key(key["id"], "disable")
    assert seal(bench, key, {"data": ""}).code == "key_not_active"
    assert unseal(bench, key, {"ciphertext": sealed["ciphertext"]}).code == "key_not_usable"


def test_another_algorithm_than_the_keys_refuses_the_whole_batch(bench, key):
    assert seal(bench, key, {"data": ""}, algorithm="chacha20-poly1305").code == "unsupported_algorithm"


def test_items_that_cannot_be_read_create_no_default_key(bench):
    unreadable = {"algorithm": MODE, "items": [{"data": "?"}, {"data": "", "aad": "?"}]}
    response = bench.persona.api.post("/api/v1/encrypt/batch", unreadable)
    assert (response.status, response.code, list(response.json["errors"])) == (
        400,
        "invalid_request",
        ["items"],
    )
    assert ask(bench, ("encrypt/batch", unreadable)) == [None], "the fast path leaves the refusal to Django"
    assert not Key.objects.exists()


@pytest.mark.parametrize("path", ["rest", "fast path"])
def test_one_item_that_can_be_read_creates_the_default_key(bench, path):
    body = {"algorithm": MODE, "items": [{"data": "?"}, {"data": b64(b"a")}]}
    if path == "rest":
        assert bench.persona.api.post("/api/v1/encrypt/batch", body).status == 200
    else:
        assert [status for status, _ in ask(bench, ("encrypt/batch", body))] == [200]
    assert Key.objects.get().is_default


def test_a_strangers_key_does_not_exist(bench, key, stranger):
    body = {"algorithm": MODE, "key_id": key["id"], "items": [{"data": ""}]}
    assert stranger.api.post("/api/v1/encrypt/batch", body).status == 404


@pytest.mark.parametrize("path", ["rest", "fast path"])
def test_an_item_that_is_refused_is_counted_as_refused(bench, key, path):
    def counted():
        return [
            encryption_operations_total.labels(algorithm=MODE, status=status)._value.get()
            for status in ("success", "refused")
        ]

    before, items = counted(), [{"data": b64(b"a")}, {"data": "?"}, {"data": b64(b"b")}]
    if path == "rest":
        assert seal(bench, key, *items).status == 200
    else:
        [(status, _)] = ask(
            bench, ("encrypt/batch", {"algorithm": MODE, "key_id": key["id"], "items": items})
        )
        assert status == 200
    assert [after - begun for after, begun in zip(counted(), before, strict=True)] == [2, 1]
