"""Our checkpoints at witnesses: a real exchange with an installation, and each answer of a server."""

import http.server
import threading
from datetime import timedelta

import pytest

from audit.checks import check_witnesses
from audit.models import AuditAlarm, AuditReceipt, WitnessKey
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.checkpoints.witnesses import WitnessTask, configured_witnesses, witnessing
from audit.sequencing.running import checkpoint_now
from audit.services.proofs import opened
from audit.tlog.checkpoint import sign_line
from audit.tlog.cosignature import find_cosignatures
from kernel.clock import database_now
from kernel.crypto import seed_signing
from kernel.trust import kek
from tests.audit.sequencing.log import altered, write
from tests.audit.sequencing.test_anchors import failures
from tests.audit.tlog.test_cosignature import key_of
from tests.audit.witnessing import OtherLog, become_witness

pytestmark = pytest.mark.django_db(transaction=True)


def new_checkpoint():
    write()
    return checkpoint_now()


@pytest.fixture
def witness(settings):
    """This installation is a witness for itself."""
    return become_witness(settings, *trusted_keys())


@pytest.fixture
def task(settings, live_server, witness):
    settings.CC_WITNESSES = [f"{live_server.url}/api/v1/witness/", witness.vkey]
    [configured] = configured_witnesses()
    return WitnessTask(configured)


def test_an_installation_cosigns_the_checkpoints_of_another(task, witness):
    sizes, before = [], failures("witness")
    for _ in range(3):
        checkpoint = new_checkpoint()
        sizes.append(checkpoint.size)
        task.run(at_once=True)
        receipt = AuditReceipt.objects.get(size=checkpoint.size).check_mac()
        assert receipt.anchor == f"witness {witness.key_id.hex()}"
        [cosignature] = find_cosignatures(f"{checkpoint.note}{receipt.receipt}\n", [witness])
        assert abs(cosignature.timestamp - database_now().timestamp()) < 60
    assert sizes == sorted(set(sizes))
    assert failures("witness") == before

    task.run(at_once=True)  # the same checkpoint
    assert AuditReceipt.objects.count() == 3


def test_after_a_restart_the_witness_names_its_size(task):
    new_checkpoint()
    task.run(at_once=True)
    checkpoint = new_checkpoint()
    WitnessTask(configured_witnesses()[0]).run(at_once=True)
    assert AuditReceipt.objects.filter(size=checkpoint.size).exists()


def test_all_witnesses_get_the_last_checkpoint_before_the_current_period(task, settings):
    settings.CC_ANCHOR_SECONDS = 3600
    checkpoint = new_checkpoint()
    begin = database_now().replace(minute=0, second=0, microsecond=0)
    task.run()
    assert not AuditReceipt.objects.exists()
    altered(
        "UPDATE audit_checkpoints SET signed_at = %s WHERE size = %s",
        begin - timedelta(seconds=1),
        checkpoint.size,
    )
    new_checkpoint()
    task.run()
    assert AuditReceipt.objects.get().size == checkpoint.size


def test_the_sequencer_brings_its_last_checkpoint_when_it_ends(task):
    checkpoint = new_checkpoint()
    with witnessing():
        pass
    assert AuditReceipt.objects.get().size == checkpoint.size


def test_a_witness_that_has_seen_another_log_raises_an_alarm_for_each_size(task, witness):
    """The database was rolled back, together with the head that this host remembers."""
    new_checkpoint()
    for number in (1, 2):
        checkpoint = new_checkpoint()
        task.run(at_once=True)
        altered("DELETE FROM audit_checkpoints WHERE size = %s", checkpoint.size)
        for each in (task, WitnessTask(configured_witnesses()[0])):
            each.run(at_once=True)
        assert AuditAlarm.objects.count() == number
        alarm = AuditAlarm.objects.latest("raised_at")
        assert (alarm.kind, alarm.expected) == ("witness_contradicts", f"what {witness.name} cosigned")
        assert f"it has cosigned {checkpoint.size} entries" in alarm.found


class Answers(http.server.BaseHTTPRequestHandler):
    """Gives the answers in their order, the last one again and again."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.server.answers[0]
        if len(self.server.answers) > 1:
            del self.server.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as made:
        threading.Thread(target=made.serve_forever, args=[0.01], daemon=True).start()
        yield made
        made.shutdown()


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([(403, b"")], "status 403. it does not know the key that signed the checkpoint"),
        ([(404, b"")], "status 404. it does not know this log"),
        ([(500, b"")], "status 500"),
        ([(599, b"")], "status 599"),
        ([(302, b"")], "status 302"),
        ([(409, b"many\n")], "its response has no size"),
        ([(409, b"0\n")], "status 409"),
        ([(200, b"")], "its response is no valid cosignature"),
        ([(200, b"\xff")], "its response is no valid cosignature"),
        ([(200, b"x" * 100_000)], "response_too_large"),
    ],
)
def test_every_other_answer_is_counted_and_repeated(settings, server, witness, caplog, answers, text):
    settings.CC_WITNESSES = [f"http://127.0.0.1:{server.server_port}", witness.vkey]
    server.answers = answers
    new_checkpoint()
    task, before = WitnessTask(configured_witnesses()[0]), failures("witness")
    task.run(at_once=True)
    task.run(at_once=True)
    assert failures("witness") == before + 2
    assert text in caplog.text
    assert not AuditReceipt.objects.exists()
    assert not AuditAlarm.objects.exists()


def test_a_fork_raises_an_alarm(settings, server, witness):
    settings.CC_WITNESSES = [f"http://127.0.0.1:{server.server_port}", witness.vkey]
    server.answers = [(422, b"")]
    new_checkpoint()
    WitnessTask(configured_witnesses()[0]).run(at_once=True)
    assert AuditAlarm.objects.get().kind == "witness_contradicts"


def test_a_cosignature_from_another_time_is_refused(settings, server, witness, caplog):
    checkpoint = new_checkpoint()
    material = kek.unwrap_row(WitnessKey.objects.get())
    settings.CC_WITNESSES = [f"http://127.0.0.1:{server.server_port}", witness.vkey]
    for late in (-400, 400):
        timestamp = int(database_now().timestamp()) + late
        line = sign_line(
            opened(checkpoint),
            witness,
            lambda message: seed_signing.sign("ed25519", material, message),
            timestamp,
        )
        server.answers = [(200, line.encode())]
        WitnessTask(configured_witnesses()[0]).run(at_once=True)
    assert caplog.text.count("its clock differs by more than 300 seconds") == 2
    assert not AuditReceipt.objects.exists()


def test_a_witness_that_is_down_is_counted(settings, witness):
    settings.CC_WITNESSES = ["http://127.0.0.1:9", witness.vkey]
    new_checkpoint()
    before = failures("witness")
    WitnessTask(configured_witnesses()[0]).run(at_once=True)
    assert failures("witness") == before + 1


@pytest.mark.parametrize(
    "given",
    [
        ["https://w.example"],
        ["ftp://w.example", "VKEY"],
        ["https://w.example", "not a key"],
        ["https://w.example", OtherLog().key.vkey],
        ["https://w.example", "VKEY"] * 2,
    ],
)
def test_a_malformed_list_of_witnesses_is_refused(settings, witness, given):
    settings.CC_WITNESSES = [witness.vkey if each == "VKEY" else each for each in given]
    assert [error.id for error in check_witnesses()] == ["ciphercanary.E022"]


@pytest.mark.parametrize(("given", "number"), [("VKEY", 2), (None, 1)])
def test_the_quorum_is_a_number_of_the_witnesses(settings, witness, given, number):
    settings.CC_WITNESSES = ["https://w.example", witness.vkey] if given else []
    settings.CC_WITNESS_QUORUM = number
    assert [error.id for error in check_witnesses()] == ["ciphercanary.E023"]
    settings.CC_WITNESS_QUORUM = number - 1
    assert list(check_witnesses()) == []


def test_a_quorum_of_half_the_witnesses_is_warned_about(settings, witness):
    other, _ = key_of("other", "other.example")
    settings.CC_WITNESSES = ["https://w.example", witness.vkey, "https://other.example", other.vkey]
    for quorum, ids in ((1, ["ciphercanary.W005"]), (2, []), (0, [])):
        settings.CC_WITNESS_QUORUM = quorum
        assert [warning.id for warning in check_witnesses()] == ids
