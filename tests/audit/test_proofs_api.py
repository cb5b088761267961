"""The data that the API provides for independent verification of the log."""

import base64
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from typing import NamedTuple

import pytest
from django.db import connection

from audit import actions
from audit.log.canonical import MAX_INTEGER
from audit.log.entries import ENTRY_FIELDS, entry_bytes, values_of
from audit.log.events import Actor, Event
from audit.models import (
    AuditBundle,
    AuditCheckpoint,
    AuditReceipt,
    AuditTree,
    CheckpointKey,
)
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.checkpoints.signing_keys import rotate_checkpoint_keys
from audit.sequencing.running import checkpoint_now
from audit.tlog import merkle
from audit.tlog.checkpoint import CheckpointInvalid, VerifierKey, open_note
from kernel.clock import database_now
from tests.audit.ccverify import run
from tests.audit.sequencing.log import altered
from tests.log_entries import log_rows, record
from tests.personas import ApiClient

LOGS, CHECKPOINT, CONSISTENCY = "/api/v1/audit/logs", "/api/v1/audit/checkpoint", "/api/v1/audit/consistency"
KEYS = "/.well-known/ciphercanary-audit-keys"
ZEROS = {"postgresql": "decode(repeat('00', 288), 'hex')", "sqlite": "zeroblob(288)"}
SYSTEM = Actor.system("test", "command")

pytestmark = pytest.mark.django_db


def record_event(actor=SYSTEM, times=1):
    """Write ``times`` entries; return the last."""
    entries = [record(Event(action="test.thing.done", meta={"é": 1}), actor) for _ in range(times)]
    return entries[-1] if entries else None


def sign_up_to(size):
    """Write entries until the tree has this size, and sign it."""
    there = AuditTree.objects.get().size + AuditBundle.objects.count()
    record_event(times=size - there)
    assert checkpoint_now().size == size


def pinned():
    """The keys as an anonymous client fetches them."""
    return [VerifierKey.parse(line) for line in ApiClient().get(KEYS).raw.content.decode().splitlines()]


class Proof(NamedTuple):
    extra: bytes
    index: int
    hashes: list[bytes]
    note: str


def parsed(text):
    """A C2SP tlog-proof with extra data."""
    head, _, note = text.partition("\n\n")
    _, extra, index, *hashes = head.split("\n")
    number = int(index.removeprefix("index "))
    decoded = [base64.b64decode(word) for word in (extra.removeprefix("extra "), *hashes)]
    return Proof(decoded[0], number, decoded[1:], note)


def path_of(entry):
    return f"{LOGS}/{entry.id}/proof"


# --- inclusion


def test_a_proof_holds_with_nothing_but_a_pinned_key(auditor):
    entries = [record_event() for _ in range(7)]
    checkpoint_now()

    for entry in entries:
        response = auditor.api.get(path_of(entry))
        assert response.status == 200
        proof = parsed(response.json["proof"])
        head = open_note(proof.note, pinned())
        leaf = merkle.leaf_hash(proof.extra)
        merkle.verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
        assert proof.extra == entry_bytes(values_of(log_rows().get(id=entry.id), ENTRY_FIELDS))
        assert {name: value for name, value in response.json.items() if name != "proof"} == {
            "index": entry.id - 1,
            "size": head.size,
            "leaf_hash": base64.b64encode(leaf).decode(),
            "entry": proof.extra.decode(),
        }


def test_the_proof_of_one_entry_among_a_thousand_is_short_and_verifies(auditor):
    first = record_event()
    sign_up_to(1000)

    proof = parsed(auditor.api.get(path_of(first)).json["proof"])

    assert len(proof.hashes) == 10
    head = open_note(proof.note, pinned())
    merkle.verify_inclusion(merkle.leaf_hash(proof.extra), proof.index, 1000, proof.hashes, head.root)


def test_the_verifier_for_auditors_accepts_it_offline(auditor, tmp_path, monkeypatch):
    entry = record_event()
    sign_up_to(9)
    response = auditor.api.get(path_of(entry)).json
    files = {"keys": ApiClient().get(KEYS).raw.content.decode(), "entry": response["entry"]}
    files["proof"] = auditor.api.get(path_of(entry), Accept="text/plain").raw.content.decode()
    for name, text in files.items():
        (tmp_path / name).write_text(text, newline="")

    def verify(*arguments):
        return run("verify-proof", "proof", "--key", "keys", *arguments).returncode

    monkeypatch.chdir(tmp_path)
    assert (verify(), verify("--entry", "entry")) == (0, 0)
    (tmp_path / "entry").write_text(response["entry"].replace("test.thing", "test.other"), newline="")
    assert verify("--entry", "entry") == 1


def test_a_user_who_asks_for_text_gets_the_proof_as_a_file(auditor):
    entry = record_event()
    checkpoint_now()

    response = auditor.api.get(path_of(entry), Accept="text/plain")

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{entry.id}.tlog-proof"'
    assert "Accept" in response.headers["Vary"]
    assert response.raw.content.decode() == auditor.api.get(path_of(entry)).json["proof"]


def test_no_other_form_gets_a_response(auditor):
    entry = record_event()
    checkpoint_now()

    response = auditor.api.get(path_of(entry), Accept="text/html")

    assert (response.status, response.code) == (406, "not_acceptable")
    assert response.json["detail"] == "The server can only send application/json or text/plain."


def test_before_the_checkpoint_there_is_no_proof_yet(auditor):
    entry = record_event()

    for step in (lambda: None, sequence_step):
        step()
        response = auditor.api.get(path_of(entry))
        assert (response.status, response.code) == (409, "not_sequenced")
        assert response.headers["Retry-After"] == "1"
        assert response.json["retry_after"] == 1
    sign_checkpoint()
    assert auditor.api.get(path_of(entry)).status == 200


def test_an_entry_that_came_after_the_checkpoint_has_no_proof_yet(auditor):
    record_event()
    checkpoint_now()
    later = record_event()
    sequence_step()

    assert auditor.api.get(path_of(later)).code == "not_sequenced"


def test_the_proof_is_by_the_newest_checkpoint(auditor):
    entry = record_event()
    checkpoint_now()
    record_event(times=5)
    newest = checkpoint_now()

    response = auditor.api.get(path_of(entry))

    assert response.json["size"] == newest.size
    assert response.json["proof"].endswith(newest.note)


def test_a_developer_gets_proofs_of_their_own_actions_only(developer, stranger):
    own, anothers = record_event(developer.principal.actor), record_event(stranger.principal.actor)
    assert developer.api.get(path_of(own)).code == "not_sequenced"
    unsequenced = developer.api.get(path_of(anothers), X_Request_ID="same")
    checkpoint_now()

    assert developer.api.get(path_of(own)).status == 200
    hidden = developer.api.get(path_of(anothers), X_Request_ID="same")
    missing = developer.api.get(f"{LOGS}/{anothers.id + 10_000}/proof", X_Request_ID="same")
    assert hidden.status == missing.status == unsequenced.status == 404
    assert hidden.raw.content == missing.raw.content == unsequenced.raw.content


@pytest.mark.parametrize("log_id", ["0", "9" * 30, str(MAX_INTEGER), "x", "-1"])
def test_there_is_no_proof_of_an_impossible_entry(auditor, log_id):
    response = auditor.api.get(f"{LOGS}/{log_id}/proof")

    assert (response.status, response.code) == (404, "not_found")


@pytest.mark.parametrize(
    "alteration",
    [
        "UPDATE audit_logs SET actor_name = 'somebody else' WHERE id = {id}",
        "UPDATE audit_logs SET count = 9007199254740993 WHERE id = {id}",
        "UPDATE audit_tree SET id_shift = 1",
        "UPDATE audit_tiles SET hashes = {zeros}",
        "DELETE FROM audit_tiles",
        "UPDATE audit_checkpoints SET note = 'nonsense'",
        "UPDATE audit_checkpoints SET size = 101",
    ],
)
def test_an_invalid_proof_is_not_returned(auditor, alteration):
    entries = [record_event() for _ in range(8)]
    checkpoint_now()
    altered(alteration.format(id=entries[3].id, zeros=ZEROS[connection.vendor]))

    response = auditor.api.get(path_of(entries[3]))

    assert (response.status, response.code) == (503, "integrity_failed")
    assert "nonsense" not in response.json["detail"]


# --- checkpoints


def test_the_newest_checkpoint_is_reported_with_what_is_behind_it(auditor):
    sign_up_to(3)
    checkpoint = AuditCheckpoint.objects.get()
    AuditReceipt.objects.create(
        size=checkpoint.size, anchor="file", receipt="offset 0", anchored_at=database_now()
    )
    record_event(times=2)

    response = auditor.api.get(CHECKPOINT)

    assert response.status == 200
    reported = response.json
    head = open_note(reported["note"], pinned())
    assert (reported["origin"], reported["size"], head.size) == (head.origin, 3, 3)
    assert base64.b64decode(reported["root"]) == head.root
    assert datetime.fromisoformat(reported["signed_at"]) == checkpoint.signed_at
    (receipt,) = reported["receipts"]
    assert (receipt["anchor"], receipt["receipt"]) == ("file", "offset 0")
    assert datetime.fromisoformat(receipt["anchored_at"]).tzinfo == UTC
    assert reported["pending"] == 2
    assert reported["lag_seconds"] in range(30)
    at = database_now() - timedelta(seconds=30)
    AuditBundle.objects.all().delete()
    record(Event(action="test.thing.done"), SYSTEM, at=at)
    assert auditor.api.get(CHECKPOINT).json["lag_seconds"] in range(30, 60)


def test_a_former_checkpoint_is_asked_for_by_its_size(auditor):
    for size in (2, 5):
        sign_up_to(size)

    assert auditor.api.get(f"{CHECKPOINT}?size=2").json["size"] == 2
    missing = auditor.api.get(f"{CHECKPOINT}?size=3")
    assert (missing.status, missing.code) == (404, "not_found")


def test_before_the_first_checkpoint_there_is_none(auditor):
    record_event()

    for url in (CHECKPOINT, f"{CONSISTENCY}?from=1"):
        response = auditor.api.get(url)
        assert (response.status, response.code, response.headers["Retry-After"]) == (
            409,
            "not_sequenced",
            "1",
        )


@pytest.mark.parametrize(
    "alteration",
    ["UPDATE audit_checkpoints SET note = replace(note, '3', '4')", "UPDATE audit_checkpoints SET size = 9"],
)
def test_a_checkpoint_that_was_altered_is_not_passed_on(auditor, alteration):
    sign_up_to(3)
    altered(alteration)

    assert auditor.api.get(CHECKPOINT).code == "integrity_failed"


# --- consistency


def test_any_two_sizes_are_shown_to_be_of_one_log(auditor):
    roots = {}
    for size in (2, 3, 4, 7, 8, 9, 13):
        sign_up_to(size)
        roots[size] = bytes(AuditTree.objects.get().root)

    for first, second in combinations_with_replacement(roots, 2):
        response = auditor.api.get(f"{CONSISTENCY}?from={first}&to={second}").json
        hashes = [base64.b64decode(value) for value in response["hashes"]]
        assert (response["from"], response["to"]) == (first, second)
        merkle.verify_consistency(first, roots[first], second, roots[second], hashes)


def test_a_consistency_proof_ends_at_the_newest_checkpoint_by_default(auditor):
    sign_up_to(4)
    record_event(times=3)
    sequence_step()

    assert auditor.api.get(f"{CONSISTENCY}?from=3").json["to"] == 4
    assert auditor.api.get(f"{CONSISTENCY}?from=3&to=7").status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "from"),
        ("from=0", "from"),
        ("from=x", "from"),
        ("from=1&to=0", "to"),
        ("from=1&to=6", "to"),
        (f"from=1&to={2**63}", "to"),
        ("from=6", "from"),
        ("from=4&to=3", "from"),
        ("from=1&from=2", "from"),
        ("from=1&size=3", "size"),
    ],
)
def test_sizes_that_the_tree_never_had_are_refused_by_name(auditor, query, field):
    sign_up_to(5)
    response = auditor.api.get(f"{CONSISTENCY}?{query}")

    assert (response.status, response.code) == (400, "invalid_request")
    assert list(response.json["errors"]) == [field]


@pytest.mark.parametrize("query", ["size=0", "size=x", f"size={2**63}", "size=1&size=1", "from=1"])
def test_a_bad_size_of_a_checkpoint_is_refused(auditor, query):
    response = auditor.api.get(f"{CHECKPOINT}?{query}")

    assert (response.status, response.code) == (400, "invalid_request")


def test_a_tree_that_lost_its_tiles_proves_nothing(auditor):
    sign_up_to(5)
    altered("DELETE FROM audit_tiles")

    assert auditor.api.get(f"{CONSISTENCY}?from=2").code == "integrity_failed"


def test_only_signed_in_users_read_sizes_and_hashes(developer):
    sign_up_to(5)

    assert developer.api.get(CHECKPOINT).json["size"] == 5
    assert developer.api.get(f"{CONSISTENCY}?from=2").status == 200
    for url in (CHECKPOINT, f"{CONSISTENCY}?from=2"):
        assert ApiClient().get(url).status == 401


# --- keys


def test_the_keys_are_public_and_one_a_line():
    response = ApiClient().get(KEYS)

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert [key.algorithm for key in pinned()] == ["ed25519", "ml-dsa-44"]


def test_former_and_coming_keys_are_among_them(auditor):
    sign_up_to(2)
    before = pinned()
    rotate_checkpoint_keys(SYSTEM)
    published = pinned()
    assert published[:2] == before
    assert len(published) == 4
    checkpoint_now()
    record_event()
    checkpoint_now()

    note = auditor.api.get(CHECKPOINT).json["note"]

    assert CheckpointKey.objects.filter(state="retired").count() == 2
    assert pinned() == published
    open_note(note, published[2:])
    with pytest.raises(CheckpointInvalid):
        open_note(note, before)
    assert open_note(auditor.api.get(f"{CHECKPOINT}?size=2").json["note"], before).size == 2


def test_the_keys_count_against_no_limit(settings):
    settings.CC_THROTTLE_ANONYMOUS = "2/minute"

    assert {ApiClient().get(KEYS).status for _ in range(5)} == {200}


def test_a_key_that_was_altered_is_not_published(db):
    CheckpointKey.objects.filter(algorithm="ed25519").update(public_key=bytes(32))

    response = ApiClient().get(KEYS)

    assert (response.status, response.code) == (503, "integrity_failed")


# --- refusals are recorded


def test_a_refused_proof_is_on_record(developer, stranger):
    entry = record_event(stranger.principal.actor)
    developer.api.get(path_of(entry), X_Request_ID="look-for-this")

    refusal = log_rows().get(request_id="look-for-this")
    assert (refusal.action, refusal.object_type, refusal.object_id, refusal.code) == (
        actions.PROOF_READ,
        "audit_log",
        str(entry.id),
        "not_found",
    )


def test_a_proof_costs_few_queries_however_large_the_tree_is(auditor, django_assert_max_num_queries):
    entry = record_event()
    sign_up_to(1000)

    with django_assert_max_num_queries(14):
        assert auditor.api.get(path_of(entry)).status == 200
