"""A refused decryption, re-encryption or inspection names the key of its ciphertext in the log, for any fault."""

import json
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

import pytest

from audit.log.operations import OPERATION, has_action
from audit.models import UsageRollup
from audit.usage.queries import denials_of, rows_denied
from audit.verification.usage import check_usage
from kernel.clock import process_now
from kernel.crypto.encoding import decode_base64url
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.data_key_stream import key_id_at_start
from tests.audit.conftest import log_out_of_reach
from tests.browsing import signed_in
from tests.crypto_ops.file_jobs import FILES, TO_DECRYPT, to_encrypt
from tests.crypto_ops.stream_client import DECRYPT, StreamInterface, carry, path
from tests.log_entries import log_rows
from tests.personas import ApiClient, b64

CUT = 34  # characters of a ciphertext: its header, and a part of the rest
ACTIONS = {
    "decrypt": "crypto.message.decrypted",
    "reencrypt": "crypto.message.reencrypted",
    "inspect": "crypto.message.inspected",
}


@pytest.fixture
def ciphertext(bench, key):
    return bench.encrypt(key["id"]).json["ciphertext"]


@pytest.fixture
def other(bench):
    """The id of another key, and a ciphertext under it."""
    key_id = bench.key(name="other")["id"]
    return key_id, bench.encrypt(key_id).json["ciphertext"]


def named(action):
    """The object of the newest entry of an action, and the other keys that it names."""
    entry = log_rows().filter(action=action).latest("id")
    assert entry.outcome in {"denied", "error"}
    return entry.object_type, entry.object_id, json.loads(entry.meta).get("refused_keys", [])


def altered(text):
    return text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB")


BODIES = {
    "wrong aad": lambda text: {"ciphertext": text, "aad": b64(b"other")},
    "invalid aad": lambda text: {"ciphertext": text, "aad": "?"},
    "wrong tag": lambda text: {"ciphertext": altered(text)},
    "cut off": lambda text: {"ciphertext": text[:CUT]},
    "too many fields": lambda text: {"ciphertext": text, "iv": "", "algorithm": "aes-256-gcm"},
    "an unknown field": lambda text: {"ciphertext": text, "x": 1},
    "no object": lambda text: [text],
    "no JSON": lambda text: f'{{"ciphertext": "{text}"'.encode(),
    "escaped": lambda text: f'{{"ciphertext": "{text}"'.replace(".", "\\u002e").encode(),
}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("operation", ACTIONS)
def test_a_refusal_names_the_key_of_the_ciphertext_for_any_fault(
    bench, key, ciphertext, stranger, operation, case
):
    api = (
        stranger.api if operation == "inspect" else bench.persona.api
    )  # most of these bodies can be inspected
    assert api.post(f"/api/v1/{operation}", BODIES[case](ciphertext)).status in {400, 404}
    assert named(ACTIONS[operation]) == ("key", key["id"], [])


CALLERS = {
    "without the right": lambda auditor, _: (auditor.api, 403),
    "without a token": lambda *_: (ApiClient(), 401),
    "with a wrong token": lambda *_: (ApiClient("cct_wrong"), 401),
    "another person": lambda _, stranger: (stranger.api, 404),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", ACTIONS)
def test_a_refused_caller_is_on_record_with_the_key(key, ciphertext, auditor, stranger, operation, caller):
    api, status = CALLERS[caller](auditor, stranger)
    assert api.post(f"/api/v1/{operation}", {"ciphertext": ciphertext}).status == status
    assert named(ACTIONS[operation]) == ("key", key["id"], [])


def test_a_caller_beyond_the_budget_is_on_record_with_the_key(bench, key, ciphertext, settings):
    settings.CC_THROTTLE_PRINCIPAL = "2/day"
    responses = [bench.decrypt(ciphertext=ciphertext, aad=b64(b"wrong")) for _ in range(3)]
    assert responses[-1].code == "throttled"
    assert named(ACTIONS["decrypt"]) == ("key", key["id"], [])


REFERRING = {
    "encrypt": lambda key_id: {"key_id": key_id, "algorithm": "aes-256-gcm", "data": ""},
    "sign": lambda key_id: {"key_id": key_id},
    "mac/verify": lambda key_id: {"key_id": key_id, "message": ""},
    "data-keys": lambda key_id: {"key_id": key_id},
    "reencryptions": lambda key_id: {"key_id": key_id},
}


@pytest.mark.parametrize("operation", REFERRING)
@pytest.mark.parametrize("form", ["{id}", "name:{name}"])
def test_a_refusal_before_the_body_is_read_names_the_key_of_the_body(key, auditor, operation, form):
    sent = form.format(**key)
    assert auditor.api.post(f"/api/v1/{operation}", REFERRING[operation](sent)).status == 403
    entry = log_rows().latest("id")
    assert (entry.outcome, entry.object_type, entry.object_id) == ("denied", "key", sent)


def test_a_refusal_names_the_target_of_a_reencryption(bench, key, ciphertext, other):
    body = {"ciphertext": altered(ciphertext), "key_id": other[0]}
    assert bench.persona.api.post("/api/v1/reencrypt", body).status == 400
    assert named(ACTIONS["reencrypt"]) == ("key", key["id"], [other[0]])


@pytest.fixture
def third(bench):
    """The id of a third key, and a ciphertext under it that is cut off."""
    key_id = bench.key(name="third")["id"]
    return key_id, bench.encrypt(key_id).json["ciphertext"][:CUT]


def test_a_batch_names_the_keys_of_its_refused_items(bench, key, ciphertext, other, third):
    items = [{"ciphertext": text} for text in (ciphertext, other[1], third[1], altered(ciphertext))]
    batch = {"algorithm": "aes-256-gcm", "key_id": key["id"], "items": items}
    assert bench.persona.api.post("/api/v1/decrypt/batch", batch).status == 200
    entry = log_rows().get(action=ACTIONS["decrypt"])
    meta = {"algorithm": "aes-256-gcm", "failed": 3, "refused_keys": [other[0], third[0]]}
    assert (entry.outcome, entry.object_id, json.loads(entry.meta)) == ("ok", key["id"], meta)


def test_a_refused_batch_names_the_keys_of_all_items(bench, key, ciphertext, other, auditor):
    items = [{"ciphertext": text} for text in (ciphertext, other[1])]
    batch = {"algorithm": "aes-256-gcm", "key_id": key["id"], "items": items}
    assert auditor.api.post("/api/v1/decrypt/batch", batch).status == 403
    assert named(ACTIONS["decrypt"]) == ("key", key["id"], [other[0]])
    bench.change_key(key["id"], "revoke", compromised=True)
    assert bench.persona.api.post("/api/v1/decrypt/batch", batch).status == 409
    assert named(ACTIONS["decrypt"]) == ("key", key["id"], [other[0]])


def test_a_page_of_a_job_names_the_keys_of_its_refused_items(bench, key, ciphertext, other, third, auditor):
    job = bench.persona.api.post("/api/v1/reencryptions", {"key_id": key["id"]}).json["id"]
    page = {"items": [{"ciphertext": text} for text in (ciphertext[:CUT], other[1], third[1])]}
    url = f"/api/v1/reencryptions/{job}/pages"
    assert auditor.api.post(url, page).status == 403
    assert named(ACTIONS["reencrypt"]) == ("reencryption", job, [key["id"], other[0], third[0]])
    assert bench.persona.api.post(url, page).json["refused"] == 3
    assert named(ACTIONS["reencrypt"]) == ("key", key["id"], [other[0], third[0]])
    page["items"].append({"ciphertext": 1})
    assert bench.persona.api.post(url, page).status == 400
    assert named(ACTIONS["reencrypt"]) == ("reencryption", job, [key["id"], other[0], third[0]])


@pytest.mark.parametrize("size", [22, 60, 180])
def test_a_stream_that_is_cut_off_names_the_key_of_its_header(interface, key, size):
    sealed = interface.post(path(key), b"x" * 100).content[:size]
    assert interface.post(DECRYPT, sealed).status == 400
    assert named("crypto.stream.decrypted") == ("key", key["id"], [])


@pytest.mark.parametrize("form", ["data key", "message", "text"])
def test_a_file_that_is_no_stream_names_the_key_of_any_header(interface, bench, key, ciphertext, form):
    octets = decode_base64url(ciphertext[4:])
    body = {"data key": b"\x02\x20\x01\x00" + octets, "message": octets, "text": ciphertext.encode()}[form]
    for target, action in ((DECRYPT, "crypto.stream.decrypted"), (TO_DECRYPT, "keys.file.requested")):
        assert interface.post(target, body).status == 400
        assert named(action) == ("key", key["id"], [])
    assert key_id_at_start(body[:16]) is None


def test_a_decryption_refused_by_its_head_names_the_key_at_the_start_of_the_body(rest, bench, key, auditor):
    sealed = rest.post(path(key), b"x").content
    for token, status in ((auditor.api.token, 403), ("", 401), ("cct_wrong", 401)):
        for target, action in ((DECRYPT, "crypto.stream.decrypted"), (TO_DECRYPT, "keys.file.requested")):
            assert carry(target, [sealed[:30], sealed[30:]], token=token).status == status
            assert named(action) == ("key", key["id"], [])
    carry(DECRYPT, [b""], token="", cut=True)
    assert named("crypto.stream.decrypted")[1] == ""


def test_a_refused_plaintext_is_not_examined(rest, bench, key, auditor):
    sealed = rest.post(path(key), b"x").content
    assert carry(FILES + "?operation=encrypt", [sealed], token=auditor.api.token).status == 403
    assert named("keys.file.requested")[1] == ""
    assert (
        carry(DECRYPT, [b"\x01\x00" + sealed[2:]], token=auditor.api.token).status == 403
    )  # no suite of ours
    assert named("crypto.stream.decrypted")[1] == ""


def test_a_refused_encryption_of_a_stream_or_file_names_the_key_of_the_query(rest, key, auditor):
    other = StreamInterface("endpoint", auditor.api)
    for target, action in ((path(key), "crypto.stream.encrypted"), (to_encrypt(key), "keys.file.requested")):
        assert other.post(target, b"x").status == 403
        assert named(action) == ("key", key["id"], [])
    assert other.post(path({"id": quote("name:x-7", safe="")}), b"x").status == 403
    assert named("crypto.stream.encrypted") == ("key", "name:x-7", [])


def test_a_page_names_the_key_of_a_refused_ciphertext(bench, key, ciphertext, other):
    browser = signed_in(bench.persona)
    for text, status in ((other[1], 422), (other[1][:CUT], 422)):
        typed = {"operation": "decrypt", "input": text}
        assert browser.post(f"/keys/{key['name']}/try/", typed).status_code == status
        assert named(ACTIONS["decrypt"]) == ("key", key["id"], [other[0]])
    assert browser.post("/setup/first-key/decrypt", {"ciphertext": ciphertext[:CUT]}).status_code == 422
    assert named("console.first_key.decrypted") == ("key", key["id"], [])


def test_an_inspection_is_on_record_but_no_use_of_the_key(bench, key, ciphertext):
    for _ in range(2):
        assert bench.persona.api.post("/api/v1/inspect", {"ciphertext": ciphertext}).status == 200
    inspected = log_rows().filter(action=ACTIONS["inspect"])
    assert [(e.object_id, e.object_version, e.outcome, e.code, e.meta) for e in inspected] == [
        (key["id"], 1, "ok", "", '{"algorithm":"aes-256-gcm"}')
    ] * 2
    assert {row.action for row in log_rows().filter(has_action(OPERATION))} == {"crypto.message.encrypted"}
    assert {row.operation for row in UsageRollup.objects.all()} == {"crypto.message.encrypted"}
    bench.persona.api.post("/api/v1/inspect", {"ciphertext": ciphertext[:CUT]})
    log_rows()
    assert UsageRollup.objects.filter(operation=ACTIONS["inspect"], outcome="error").count() == 1
    assert list(check_usage()) == []


def test_nothing_is_inspected_while_the_log_cannot_be_written(bench, ciphertext):
    with log_out_of_reach():
        assert (
            bench.persona.api.post("/api/v1/inspect", {"ciphertext": ciphertext}).code == "audit_unavailable"
        )


def test_a_key_that_is_not_active_yet_can_be_inspected(bench, ciphertext):
    later = bench.key(name="later", activates_at="2099-01-01T00:00:00Z")
    forged = envelope.decode(ciphertext, max_length=1000)._replace(key_id=UUID(later["id"]))
    response = bench.persona.api.post("/api/v1/inspect", {"ciphertext": envelope.encode(forged)})
    assert (response.status, response.json["status"]) == (200, "pending")


def test_strangers_do_not_count_as_clients_that_need_the_key(key, ciphertext, stranger):
    body, since = {"ciphertext": ciphertext}, process_now() - timedelta(minutes=1)
    ApiClient().post("/api/v1/decrypt", body)
    log_rows()
    assert [denials_of(key["id"]), denials_of(key["id"], since)] == [None, None]
    assert not rows_denied().exists()
    stranger.api.post("/api/v1/decrypt", body)
    log_rows()
    assert [denials_of(key["id"]).count, denials_of(key["id"], since).count] == [1, 1]
