"""Anchors of checkpoints: a file and a syslog server. A failing anchor delays nothing."""

import base64
import hashlib
import re
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from audit.models import AuditReceipt
from audit.sequencing.checkpoints import syslog
from audit.sequencing.checkpoints.anchors import Anchoring, FileAnchor, SyslogAnchor, configured_anchors
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.running import Sequencer, checkpoint_now
from audit.tlog.checkpoint import ed25519_only, open_note
from kernel.clock import database_now
from tests.audit.sequencing.log import write
from tests.services.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)

SYSLOG = re.compile(
    rb"<109>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) [!-~]+ ciphercanary \d+ checkpoint - ([A-Za-z0-9+/=]+)"
)


def new_checkpoint():
    write()
    return checkpoint_now()


def wait_for(received):
    until = time.monotonic() + 30
    while not received and time.monotonic() < until:
        time.sleep(0.01)
    [only] = received
    return only


def failures(anchor):
    return REGISTRY.get_sample_value("audit_anchor_failures_total", {"anchor": anchor}) or 0.0


def test_without_a_setting_there_is_no_anchor():
    assert configured_anchors() == []
    Anchoring([]).run()


def test_the_settings_name_the_anchors(settings, tmp_path):
    settings.CC_ANCHOR_FILE, settings.CC_ANCHOR_SYSLOG = str(tmp_path / "file"), "udp://127.0.0.1:514"
    assert [anchor.name for anchor in configured_anchors()] == ["file", "syslog"]


# --- the file


def test_a_file_gets_every_note_whole_and_the_receipt_finds_it(tmp_path):
    path = tmp_path / "checkpoints"
    anchoring = Anchoring([FileAnchor(str(path))])
    notes = {}
    for _ in range(3):
        checkpoint = new_checkpoint()
        notes[checkpoint.size] = checkpoint.note
        anchoring.run(at_once=True)

    content = path.read_bytes()
    assert content.decode() == "".join(f"{note}\n" for note in notes.values())
    for receipt in AuditReceipt.objects.filter(anchor="file"):
        offset, digest = re.fullmatch(r"offset (\d+) sha256 ([0-9a-f]{64})", receipt.receipt).groups()
        note = notes[receipt.size].encode()
        assert content[int(offset) : int(offset) + len(note)] == note
        assert digest == hashlib.sha256(note).hexdigest()
    assert AuditReceipt.objects.count() == 3


# --- syslog


def opened(message):
    moment, text = SYSLOG.fullmatch(message).groups()
    assert datetime.now(UTC) - datetime.fromisoformat(moment.decode()) < timedelta(minutes=1)
    return base64.b64decode(text, validate=True).decode()


def test_udp_carries_one_line_with_the_short_note(udp_server):
    checkpoint = new_checkpoint()
    Anchoring([SyslogAnchor(udp_server.address)]).run()

    message = wait_for(udp_server.received)
    assert len(message) <= 480  # RFC 5424 section 6.1: what every server must accept
    note = opened(message)
    assert note == ed25519_only(checkpoint.note)
    assert open_note(note, trusted_keys()).size == checkpoint.size
    receipt = AuditReceipt.objects.get()
    assert re.fullmatch(rf"\d{{4}}-.*Z {re.escape(udp_server.address)}", receipt.receipt)


def test_tcp_counts_its_octets(tcp_server):
    checkpoint = new_checkpoint()
    Anchoring([SyslogAnchor(tcp_server.address)]).run()

    length, _, message = wait_for(tcp_server.received).partition(b" ")
    assert int(length) == len(message)
    assert opened(message) == ed25519_only(checkpoint.note)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_local_socket_is_a_server_too(kind, tmp_path):
    path = str(tmp_path / "log")
    checkpoint = new_checkpoint()
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(path)
        server.settimeout(5)
        if kind == socket.SOCK_STREAM:
            server.listen()
        Anchoring([SyslogAnchor(path)]).run()
        if kind == socket.SOCK_STREAM:
            accepted, _ = server.accept()
            with accepted, accepted.makefile("rb") as stream:
                message = stream.read().removesuffix(b"\n")
        else:
            message = server.recv(65536)
    assert opened(message) == ed25519_only(checkpoint.note)


@pytest.mark.parametrize(("host", "expected"), [("", b"-"), ("a b\u00e9", b"ab"), ("h" * 300, b"h" * 255)])
def test_a_host_name_is_printable_or_a_hyphen(host, expected):
    message = syslog.encode(datetime(2026, 1, 1, tzinfo=UTC), host, "checkpoint", "x")
    assert message.split(b" ")[1:3] == [b"2026-01-01T00:00:00.000000Z", expected]


# --- timing


def test_an_anchor_receives_the_newest_checkpoint_once_in_its_period(settings, tmp_path):
    settings.CC_ANCHOR_SECONDS = 3600
    anchoring = Anchoring([FileAnchor(str(tmp_path / "file"))])
    sizes = []
    for _ in range(3):
        sizes.append(new_checkpoint().size)
        anchoring.run()
    assert [row.size for row in AuditReceipt.objects.all()] == sizes[:1]

    anchoring._due["file"] = 0.0  # an hour later
    anchoring.run()
    assert {row.size for row in AuditReceipt.objects.all()} == {sizes[0], sizes[2]}


def test_a_checkpoint_is_brought_once(tmp_path):
    new_checkpoint()
    anchoring = Anchoring([FileAnchor(str(tmp_path / "file"))])
    for _ in range(2):
        anchoring.run(at_once=True)
    assert AuditReceipt.objects.count() == 1
    # The origin, and one for each signature.
    assert (tmp_path / "file").read_text().count("ciphercanary/") == 3


def test_a_forged_receipt_does_not_prevent_anchoring(tmp_path):
    checkpoint = new_checkpoint()
    AuditReceipt.objects.create(
        size=checkpoint.size, anchor="file", receipt="believe me", anchored_at=database_now()
    )
    Anchoring([FileAnchor(str(tmp_path / "file"))]).run(at_once=True)
    assert (tmp_path / "file").read_text() == checkpoint.note + "\n"


def test_an_anchor_that_fails_is_counted_and_tried_again(settings, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("audit.sequencing.checkpoints.anchors.RETRY_SECONDS", 0.0)
    folder = tmp_path / "later"
    before = failures("file")
    anchoring = Anchoring([FileAnchor(str(folder / "file"))])
    new_checkpoint()
    anchoring.run()
    assert failures("file") == before + 1
    assert "the anchor file did not take the checkpoint of 1" in caplog.text
    assert not AuditReceipt.objects.exists()

    folder.mkdir()
    anchoring.run()
    assert AuditReceipt.objects.get().size == 1


def test_one_that_fails_does_not_keep_the_other_from_it(tmp_path):
    gone = SyslogAnchor(f"tcp://127.0.0.1:{free_port()}")
    before = failures("syslog")
    new_checkpoint()
    Anchoring([gone, FileAnchor(str(tmp_path / "file"))]).run()

    assert [row.anchor for row in AuditReceipt.objects.all()] == ["file"]
    assert failures("syslog") == before + 1


def test_the_log_goes_on_while_every_anchor_fails(settings, tmp_path):
    settings.CC_ANCHOR_FILE = str(tmp_path / "nowhere" / "file")
    settings.CC_ANCHOR_SYSLOG = f"tcp://127.0.0.1:{free_port()}"
    sequencer = Sequencer(lambda: False)
    write(2)
    sequencer.turn(is_last=True)
    write()
    sequencer.turn(is_last=True)

    assert checkpoint_now().size == 3
    assert not AuditReceipt.objects.exists()


def test_a_stop_anchors_what_was_not_due_yet(settings, tmp_path):
    settings.CC_ANCHOR_FILE = str(tmp_path / "file")
    sequencer = Sequencer(lambda: False)
    for is_last in (False, False, True):
        write()
        sequencer.turn(is_last=is_last)
    assert {row.size for row in AuditReceipt.objects.all()} == {1, 3}
