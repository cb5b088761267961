"""A client feeds a re-encryption job with pages: one decision, one audit event and one change of the row for each."""

import json
import re
import sqlite3
from contextlib import closing
from uuid import UUID, uuid4

import pytest

from audit.sequencing.bundles.step import sequence_step
from audit.verification.protected_rows import check_protected_rows
from crypto_ops.deciding.services import CommitWithChange, perform
from crypto_ops.encryption.services.messages import EncryptRequest
from crypto_ops.models import Reencryption
from crypto_ops.reencryption.services import jobs as reencryptions
from crypto_ops.reencryption.services import pages as reencryption_pages
from kernel.crypto.modes import SEALING_MODES
from kernel.jobs.job import JobRecord
from kernel.trust.row_mac import IntegrityFailed
from keys.errors import KeyNotActive
from tests.architecture.sources import ROOT
from tests.audit.conftest import log_out_of_reach
from tests.log_entries import log_rows
from tests.personas import b64, with_token

JOBS = "/api/v1/reencryptions"


@pytest.fixture
def rows(bench, key):
    """Nine rows of an application: four under version 1, five under version 2; version 3 is the primary one."""
    sealed = [bench.encrypt(key["id"], data=b"%d" % number, aad=b64(b"row")) for number in range(4)]
    bench.change_key(key["id"], "rotate")
    sealed += [bench.encrypt(key["id"], data=b"%d" % number, aad=b64(b"row")) for number in range(4, 9)]
    bench.change_key(key["id"], "rotate")
    return [response.json["ciphertext"] for response in sealed]


def begin(bench, key, **fields):
    response = bench.persona.api.post(JOBS, {"key_id": key["id"], **fields})
    assert response.status == 201, response.json
    assert response.headers["Location"] == f"{JOBS}/{response.json['id']}"
    return response.json


def feed(bench, job, *ciphertexts, aad=b"row"):
    items = [
        {"ciphertext": text, "aad": b64(aad), "reference": str(place)}
        for place, text in enumerate(ciphertexts)
    ]
    return bench.persona.api.post(f"{JOBS}/{job['id']}/pages", {"items": items})


def texts(page):
    assert page.status == 200, page.json
    assert [result["reference"] for result in page.json["results"]] == [
        str(place) for place in range(len(page.json["results"]))
    ]
    return [result.get("ciphertext") for result in page.json["results"]]


def report(bench, job):
    while sequence_step():
        pass
    return bench.persona.api.get(f"{JOBS}/{job['id']}").json


def opened(bench, ciphertexts):
    return [bench.decrypt(ciphertext=text, aad=b64(b"row")).json for text in ciphertexts]


def events(action):
    return list(log_rows().filter(action=action).order_by("id"))


def test_pages_move_all_rows_to_the_primary_version(bench, key, rows):
    job = begin(bench, key, total=9)
    pages = [feed(bench, job, *rows[start : start + 3]) for start in (0, 3, 6)]
    moved = [text for page in pages for text in texts(page)]
    results = opened(bench, moved)
    assert [result["data"] for result in results] == [b64(b"%d" % number) for number in range(9)]
    assert {result["key_version"] for result in results} == {3}

    entries = events("crypto.message.reencrypted")
    assert [(entry.count, entry.size, entry.object_version) for entry in entries] == [
        (3, 3, 1),
        (3, 3, None),
        (3, 3, 2),
    ]
    meta = json.loads(entries[1].meta)
    assert meta["versions"] == {"1": {"reencrypted": 1}, "2": {"reencrypted": 2}}
    assert (meta["job_id"], meta["target_key_version"], meta["algorithm"]) == (job["id"], 3, "aes-256-gcm")

    done = bench.persona.api.post(f"{JOBS}/{job['id']}/complete").json
    assert (done["status"], done["done"], done["total"], done["reencrypted"]) == ("succeeded", 9, 9, 9)
    [end] = events("keys.reencryption.completed")
    assert json.loads(end.meta) == {"reencrypted": 9, "current": 0, "refused": 0}


def test_pages_move_rows_to_another_key_in_its_mode(bench, key, rows):
    target = bench.key("chacha20-poly1305", name="target")
    job = begin(bench, key, target_key_id="name:target")
    results = opened(bench, texts(feed(bench, job, *rows)))
    assert {(result["key_id"], result["algorithm"]) for result in results} == {
        (target["id"], "chacha20-poly1305")
    }
    assert [result["data"] for result in results] == [b64(b"%d" % number) for number in range(9)]


def test_an_item_is_refused_alone(bench, key, rows):
    job = begin(bench, key)
    foreign = bench.encrypt(bench.key(name="other")["id"], aad=b64(b"row")).json["ciphertext"]
    altered = rows[1][:-6] + ("AAAAAA" if rows[1][-6:] != "AAAAAA" else "BBBBBB")
    page = feed(bench, job, rows[0], altered, "cc1.AA", foreign, rows[4])
    assert [result.get("problem", {}).get("code") for result in page.json["results"]] == [
        None,
        "decryption_failed",
        "malformed_ciphertext",
        "invalid_request",
        None,
    ]
    counts = {"reencrypted": 2, "current": 0, "refused": 3}
    assert {name: page.json[name] for name in counts} == counts
    found = report(bench, job)
    assert {name: found[name] for name in counts} == counts
    assert [
        (each["version"], each["reencrypted"], each["refused"]) for each in found["report"]["versions"]
    ] == [
        (2, 1, 0),
        (1, 1, 1),
    ]
    [entry] = events("crypto.message.reencrypted")
    assert (entry.count, entry.outcome, json.loads(entry.meta)["failed"]) == (2, "ok", 3)


def test_a_page_with_too_many_versions_for_an_entry_names_none(bench, key, rows, monkeypatch):
    monkeypatch.setattr(reencryption_pages, "MAX_NAMED_VERSIONS", 1)
    job = begin(bench, key)
    assert feed(bench, job, rows[0], rows[4]).json["reencrypted"] == 2
    assert "versions" not in json.loads(events("crypto.message.reencrypted")[0].meta)
    assert len(report(bench, job)["report"]["versions"]) == 2


def test_a_page_of_refusals_is_an_error_on_record(bench, key, rows):
    job = begin(bench, key)
    assert feed(bench, job, rows[0], "cc1.AA", aad=b"other").json["refused"] == 2
    [entry] = events("crypto.message.reencrypted")
    assert (entry.outcome, entry.code, entry.count) == ("error", "decryption_failed", 2)


def test_a_repeated_page_is_valid_and_counts_again(bench, key, rows):
    """After a lost response, the client has the old rows; after a crash between two of its writes, also new ones."""
    job = begin(bench, key, total=4)
    first = texts(feed(bench, job, *rows[:4]))
    again = feed(bench, job, *first[:2], *rows[2:4])
    assert texts(again)[:2] == first[:2], "items under the target version are returned unchanged"
    assert (again.json["current"], again.json["reencrypted"]) == (2, 2)
    assert [result["data"] for result in opened(bench, texts(again))] == [b64(b"%d" % n) for n in range(4)]
    found = report(bench, job)
    assert (found["done"], found["total"], found["reencrypted"], found["current"]) == (8, 8, 6, 2)
    assert sum(entry.count for entry in events("crypto.message.reencrypted")) == 6


@pytest.mark.parametrize(("verb", "word"), [("complete", "succeeded"), ("cancel", "cancelled")])
def test_a_job_that_has_ended_accepts_nothing(bench, key, rows, verb, word):
    job = begin(bench, key)
    assert bench.persona.api.post(f"{JOBS}/{job['id']}/{verb}").json["status"] == word
    refusals = [feed(bench, job, rows[0])]
    refusals += [bench.persona.api.post(f"{JOBS}/{job['id']}/{each}") for each in ("complete", "cancel")]
    for refusal in refusals:
        assert (refusal.status, refusal.json["job_status"]) == (409, word)
    assert events("crypto.message.reencrypted")[-1].outcome == "denied"


def test_a_job_of_another_user_does_not_exist(bench, key, rows, stranger):
    job = begin(bench, key)
    feed_it = {"items": [{"ciphertext": rows[0]}]}
    assert stranger.api.get(f"{JOBS}/{job['id']}").status == 404
    assert stranger.api.get(JOBS).json["count"] == 0
    for verb, body in (("pages", feed_it), ("complete", None), ("cancel", None)):
        assert stranger.api.post(f"{JOBS}/{job['id']}/{verb}", body).status == 404
    assert stranger.api.post(JOBS, {"key_id": key["id"]}).status == 404


def test_an_owner_sees_and_feeds_only_their_own_job_with_a_key(bench, developer):
    own = developer.api.post("/api/v1/keys", {"name": "own", "algorithm": "aes-256"}).json
    theirs = begin(bench, own)
    mine = developer.api.post(JOBS, {"key_id": own["id"]}).json
    assert [job["id"] for job in developer.api.get(JOBS).json["results"]] == [mine["id"]]
    assert developer.api.post(f"{JOBS}/{theirs['id']}/cancel").status == 404
    assert {job["id"] for job in bench.persona.api.get(JOBS).json["results"]} == {mine["id"], theirs["id"]}


def test_a_compromised_key_needs_a_reason_and_another_target(bench, key, rows):
    job = begin(bench, key)
    target = bench.key(name="target")
    bench.change_key(key["id"], "revoke", compromised=True)
    body = {"key_id": key["id"], "target_key_id": target["id"]}
    assert list(bench.persona.api.post(JOBS, body).json["errors"]) == ["reason"]
    assert list(feed(bench, job, rows[0]).json["errors"]) == ["reason"]
    refused = bench.persona.api.post(JOBS, {"key_id": key["id"], "reason": "compared with the paper copy"})
    assert refused.code == "key_not_active"

    rescue = begin(bench, key, target_key_id=target["id"], reason="compared with the paper copy")
    assert feed(bench, rescue, *rows).json["reencrypted"] == 9
    meta = json.loads(events("crypto.message.reencrypted")[-1].meta)
    assert (meta["source_compromised"], meta["reason"]) == (True, "compared with the paper copy")


def test_a_job_between_keys_that_cannot_decrypt_or_encrypt_is_refused(bench, key):
    signing = bench.key("ed25519")
    for body in ({"key_id": signing["id"]}, {"key_id": key["id"], "target_key_id": signing["id"]}):
        refused = bench.persona.api.post(JOBS, body)
        assert (refused.code, list(refused.json["errors"])) == ("unsupported_algorithm", [list(body)[-1]])


def test_the_report_names_the_old_versions_that_still_decrypt(bench, key, rows):
    job = begin(bench, key)
    assert (job["report"]["versions"], job["report"]["left"]) == ([], [])
    opened(bench, [rows[0], rows[4]])
    before = report(bench, job)["report"]
    assert before["left"] == [2, 1]
    assert all(each["last_used"] for each in before["versions"])

    moved = texts(feed(bench, job, *rows))
    opened(bench, moved)
    bench.change_key(key["id"], "versions/1/disable")
    after = report(bench, job)["report"]
    assert after["left"] == [2], "version 3 is the target, and version 1 is disabled"
    assert [(each["version"], each["state"], each["reencrypted"]) for each in after["versions"]] == [
        (3, "enabled", 0),
        (2, "enabled", 5),
        (1, "disabled", 4),
    ]


def test_the_report_of_a_job_to_another_key_includes_the_primary_version(bench, key):
    job = begin(bench, key, target_key_id=bench.key(name="target")["id"])
    bench.decrypt(ciphertext=bench.encrypt(key["id"]).json["ciphertext"])
    assert report(bench, job)["report"]["left"] == [1]


def test_the_report_shows_batches_that_name_no_version(bench, key, rows):
    job = begin(bench, key)
    items = [{"ciphertext": text, "aad": b64(b"row")} for text in (rows[0], rows[4])]
    body = {"algorithm": "aes-256-gcm", "key_id": key["id"], "items": items}
    assert bench.persona.api.post("/api/v1/decrypt/batch", body).status == 200
    found = report(bench, job)["report"]
    assert found["left"] == []
    assert found["unnamed_last_used"]


def test_progress_and_event_are_stored_together_or_not_at_all(bench, key, rows):
    job = begin(bench, key)
    with log_out_of_reach():
        refused = feed(bench, job, *rows[:2])
    assert (refused.status, refused.code) == (503, "audit_unavailable")
    assert report(bench, job)["done"] == 0
    assert events("crypto.message.reencrypted") == []


def test_a_target_that_was_altered_in_the_database_is_noticed(bench, key, rows):
    job = begin(bench, key)
    Reencryption.objects.update(target_key_id=bench.key(name="other")["id"])
    assert feed(bench, job, rows[0]).code == "integrity_failed"
    with pytest.raises(IntegrityFailed):
        reencryptions.find_reencryption(principal=bench.persona.principal, job_id=job["id"])


def test_the_verification_finds_another_requester_of_a_job(bench, key, rows):
    begin(bench, key)
    assert list(check_protected_rows()) == []
    JobRecord.objects.update(created_by=uuid4())
    [finding] = check_protected_rows()
    assert "of reencryptions was altered" in finding.text


def test_the_loop_of_the_documentation_moves_every_row(bench, live_server, tmp_path, monkeypatch, capsys):
    key = bench.key(name="payments-db")
    sealed = [bench.encrypt(key["id"], data=b"%d" % number).json["ciphertext"] for number in range(3)]
    bench.change_key(key["id"], "rotate")
    rows = [[text] for text in (*sealed, "cc1.AA")]
    with closing(sqlite3.connect(tmp_path / "app.db")) as database, database:
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, ciphertext TEXT)")
        database.executemany("INSERT INTO messages (ciphertext) VALUES (?)", rows)
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/reencryption.md").read_text(), re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("URL", live_server.url)
    monkeypatch.setenv("TOKEN", with_token(bench.persona, ["crypto.reencrypt", "operations.read"]).api.token)
    exec(code, {})  # noqa: S102 - the example of our own page
    with closing(sqlite3.connect(tmp_path / "app.db")) as database:
        texts = [text for [text] in database.execute("SELECT ciphertext FROM messages ORDER BY id")]
    opened = [bench.decrypt(ciphertext=text).json for text in texts[:3]]
    assert [(each["data"], each["key_version"]) for each in opened] == [(b64(b"%d" % n), 2) for n in range(3)]
    assert texts[3] == "cc1.AA"
    assert "4 The text is not a complete cc1 ciphertext" in capsys.readouterr().out
    [job] = bench.persona.api.get(JOBS).json["results"]
    assert (job["status"], job["reencrypted"], job["refused"], job["total"]) == ("succeeded", 3, 1, 4)


def test_a_change_is_undone_if_its_decision_has_become_stale(bench, key, principal):
    request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"", key_id=UUID(key["id"]))
    ran = []

    class Insertion(CommitWithChange):
        def change(self, _result):
            job = Reencryption(kind="reencryption", key_id=key["id"], target_key_id=key["id"])
            ran.append(job.save_with_mac())

        def settle(self, decision):
            bench.change_key(key["id"], "disable")  # as another process could, after the decision
            return super().settle(decision)

    with pytest.raises(KeyNotActive):
        perform(request, principal, Insertion())
    assert (len(ran), Reencryption.objects.count()) == (1, 0)
