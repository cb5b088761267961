"""The witness for other logs: C2SP tlog-witness over HTTP, and that it never cosigns two different logs."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client

from audit import actions
from audit.checks import check_witnessed_logs
from audit.models import AuditLog, WitnessedLog, WitnessKey
from audit.sequencing.running import checkpoint_now
from audit.sequencing.state_beginning import begin_state
from audit.services.witness import bootstrap_witness_key
from audit.tlog import merkle
from audit.tlog.checkpoint import open_note
from audit.tlog.cosignature import find_cosignatures, read_witness
from tests.audit.verification.states import ACTOR, found
from tests.audit.witnessing import OTHER_ORIGIN, URL, OtherLog, become_witness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other():
    return OtherLog()


@pytest.fixture
def witness(settings, other):
    return become_witness(settings, other.key)


@pytest.fixture
def send(client):
    def post(body, content_type="text/plain"):
        response = client.post(URL, body, content_type=content_type)
        return response.status_code, response.content.decode()

    return post


def test_a_checkpoint_that_extends_the_last_one_is_cosigned(send, client, other, witness):
    for old, size in ((0, 3), (3, 8), (8, 8), (8, 300)):
        body = other.request(old, size)
        status, answer = send(body)
        assert status == 200
        [cosignature] = find_cosignatures(body.decode().partition("\n\n")[2] + answer, [witness])
        assert cosignature.line == answer

    digest = hashlib.sha256(OTHER_ORIGIN.encode()).hexdigest()
    note = client.get(f"/api/v1/witness/{digest}/checkpoint").content.decode()
    assert open_note(note, [other.key, witness]).size == 300
    assert client.get(f"/api/v1/witness/{'0' * 64}/checkpoint").status_code == 404
    assert client.get("/api/v1/witness/key").content.decode() == f"{witness.vkey}\n"

    checkpoint_now()
    entries = AuditLog.objects.filter(action=actions.CHECKPOINT_COSIGNED).order_by("id")
    recorded = [(entry.object_id, json.loads(entry.meta)["size"], entry.actor_type) for entry in entries]
    assert recorded == [(OTHER_ORIGIN, size, "anonymous") for size in (3, 8, 300)]  # none for a repeated size


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/octet-stream", ""])
def test_the_media_type_of_the_request_does_not_matter(send, other, witness, content_type):
    assert send(other.request(0, 3), content_type)[0] == 200


def test_another_old_size_is_a_conflict_with_the_known_size(client, send, other, witness):
    send(other.request(0, 3))
    for old in (0, 2, 4):
        response = client.post(URL, other.request(old, 8), content_type="text/plain")
        assert (response.status_code, response.content) == (409, b"3\n")
        assert response.headers["Content-Type"] == "text/x.tlog.size"


def test_a_fork_is_refused(send, other, witness):
    send(other.request(0, 5))
    for size in (5, 8):
        assert send(other.request(5, size, branch="fork", forks_at=3))[0] == 422
    assert send(other.request(5, 8, proof=[bytes(32)]))[0] == 422
    assert WitnessedLog.objects.get().size == 5
    assert send(other.request(5, 8))[0] == 200


def test_only_the_empty_tree_has_no_entries_and_nothing_is_proven_from_it(send, other, witness):
    assert send(other.request(0, 0, note=other.note(other.leaves(3), size=0)))[0] == 422
    assert send(other.request(0, 3, proof=[bytes(32)]))[0] == 422
    assert send(other.request(0, 0))[0] == 200


def test_only_a_known_key_of_the_log_is_accepted(send, settings, other):
    second = OtherLog(seed="second key")
    become_witness(settings, other.key, second.key)
    assert send(OtherLog("unknown.example").request(0, 3))[0] == 404
    assert send(OtherLog(seed="stranger").request(0, 3))[0] == 403
    wrong = other.note(other.leaves(3)).replace("\n3\n", "\n4\n")
    assert send(other.request(0, 3, note=wrong))[0] == 403
    assert send(other.request(0, 3))[0] == 200
    assert send(second.request(3, 4))[0] == 200


def test_a_malformed_request_is_refused(send, other, witness):
    good = other.request(0, 3)
    assert send(other.request(5, 3, proof=[]))[0] == 400
    for body in (
        b"",
        b"\xff",
        good[:-1],
        good.replace(b"old 0", b"old 00"),
        good.replace(b"\n3\n", b"\n3\nextension\n"),
    ):
        assert send(body)[0] == 400, body
    assert send(good + b"x" * 128 * 1024)[0] == 413


def test_requests_of_one_address_are_limited(send, settings, other, witness):
    settings.CC_THROTTLE_ANONYMOUS = "2/minute"
    assert [send(other.request(0, 3))[0] for _ in range(3)] == [200, 409, 429]


def test_without_the_setting_there_is_no_witness(client, send, other, settings):
    settings.CC_WITNESS_FOR = []
    bootstrap_witness_key()
    assert not WitnessKey.objects.exists()
    assert send(other.request(0, 3))[0] == 404
    assert client.get("/api/v1/witness/key").status_code == 404


@pytest.mark.parametrize("given", ["no key", OtherLog().key.vkey[:-1]])
def test_a_malformed_list_of_logs_prevents_the_start(settings, given):
    settings.CC_WITNESS_FOR = [given]
    assert [error.id for error in check_witnessed_logs()] == ["ciphercanary.E024"]


def test_the_key_of_a_witness_is_no_key_of_a_log(settings, witness):
    settings.CC_WITNESS_FOR = [witness.vkey]
    assert [error.id for error in check_witnessed_logs()] == ["ciphercanary.E024"]


def test_the_key_is_created_once_and_shown_by_a_command(settings, other, capsys):
    witness = become_witness(settings, other.key)
    assert become_witness(settings, other.key) == witness
    call_command("show_witness_key")
    assert read_witness(capsys.readouterr().out.strip()) == witness


def test_concurrent_requests_get_no_cosignatures_of_two_logs(send, other, witness, settings):
    """Each round, eight forks continue from the same size at the same time."""
    settings.CC_THROTTLE_ANONYMOUS = "10000/minute"

    def submit(branch):
        try:
            body = other.request(0, 3 + branch, branch=str(branch))
            response = Client().post(URL, body, content_type="text/plain")
            return branch, response.status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = dict(pool.map(submit, range(8)))
    assert sorted(answers.values()) == [200] + [409] * 7
    [winner] = [branch for branch, status in answers.items() if status == 200]
    assert WitnessedLog.objects.get().size == 3 + winner


def test_nothing_continues_from_an_altered_an_older_or_a_removed_row(send, other, witness):
    send(other.request(0, 3))
    [older] = WitnessedLog.objects.values()
    send(other.request(3, 5))
    root = merkle.Frontier.EMPTY.extended(other.leaves(3, branch="fork")).root()
    for old, attack in (
        (3, lambda rows: rows.update(size=3, root=root)),
        (3, lambda rows: rows.update(**older)),
        (0, lambda rows: rows.delete()),
    ):
        attack(WitnessedLog.objects.all())
        status, answer = send(other.request(old, 8, branch="fork"))
        assert (status, json.loads(answer)["code"]) == (503, "integrity_failed")


def test_a_row_that_was_put_back_is_found(send, other, witness):
    begin_state(actor=ACTOR)
    send(other.request(0, 3))
    [columns] = WitnessedLog.objects.values()
    send(other.request(3, 5))
    assert found() == []
    WitnessedLog.objects.update(**columns)
    assert found() == ["at least one row of audit_witnessed_logs is an older one, or was altered"]
