"""Syslog messages over RELP, TCP and TLS."""

import re
import socket
import ssl
from pathlib import Path

import pytest

from audit.forwarding.events.severities import Severity
from audit.forwarding.messages import Message
from audit.forwarding.transports import connections, relp
from audit.forwarding.transports.syslog import frame
from audit.sequencing.tree import read_tree
from kernel.http.outgoing import ExchangeFailed
from kernel.http.targets import Target
from tests.audit.forwarding.conftest import retry, run, verified, write
from tests.audit.forwarding.servers import CountingServer, RelpServer, client_identity
from tests.notifications.servers import serving
from tests.waiting import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_a_message_has_the_header_of_rfc_5424():
    message = Message("ü".encode(), "entry", "2026-11-25T14:05:00.000001Z", "", Severity.CRITICAL)
    assert re.fullmatch(
        rb"<106>1 2026-11-25T14:05:00\.000001Z [!-~]+ ciphercanary \d+ entry - \xc3\xbc", frame(message)
    )
    assert b"<110>1 - " in frame(Message(b"", "checkpoint", "no time"))


@pytest.mark.parametrize("scheme", ["relp", "relp+tls"])
def test_relp_delivers_every_entry_in_a_window(scheme, log, new_target, loopback, tls, monkeypatch):
    monkeypatch.setattr(relp, "_WINDOW", 4)
    with serving(RelpServer(tls[0] if scheme == "relp+tls" else None)) as server:
        target = new_target(f"{scheme}://localhost:{server.port}")
        assert run(target).size == read_tree().size
        write(log)
        assert run(target).size == read_tree().size
        assert verified(server.bodies).end == read_tree().size
        wait_until(lambda: server.commands[-1] == "close")
        assert server.sessions == 2


def test_a_server_that_ends_a_relp_session_gets_the_batch_again(log, new_target, loopback):
    with serving(RelpServer()) as server:
        server.ends_after = 10
        failed = run(new_target(f"relp://127.0.0.1:{server.port}"))
        assert (failed.size, failed.failures) == (0, 1)
        assert failed.last_error.startswith("The receiver could not be reached")
        stored = len(server.messages)
        server.ends_after = None
        assert retry(failed).size == read_tree().size
        server.messages = server.messages[stored:]
        assert verified(server.bodies).end == read_tree().size


@pytest.mark.parametrize(
    ("attribute", "value", "error"),
    [
        ("response", b"500 no space", "The receiver rejected an entry."),
        ("offer", b"500 no", "The receiver rejected an entry."),
        ("response", b"", "The receiver rejected an entry."),
        ("response", b"x" * 2**18, "The receiver did not send a response of its protocol."),
    ],
)
def test_a_refusal_by_relp_moves_no_position(attribute, value, error, log, new_target, loopback):
    with serving(RelpServer()) as server:
        setattr(server, attribute, value)
        failed = run(new_target(f"relp://127.0.0.1:{server.port}"))
        assert (failed.size, failed.last_error) == (0, error)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "connection_failed"),
        (b"2 rsp 6 200", "connection_failed"),
        (b"3 rsp 6 200 OK\n", "response_unknown"),
        (b"2 nak 6 200 OK\n", "response_unknown"),
        (b"2 rsp 6 200 OK?", "response_unknown"),
        (b"HTTP/1.1 400 Bad Request" * 9, "response_unknown"),
    ],
)
def test_another_response_of_relp_ends_the_session(raw, reason, loopback):
    with serving(RelpServer()) as server:
        server.raw = raw
        receiver = relp.RelpReceiver(Target("127.0.0.1", server.port, "/", "relp"), None)
        for _ in range(2):  # each in a session of its own
            with pytest.raises(ExchangeFailed, match=reason):
                receiver.send([Message(b"a", "entry")])
        server.raw = None
        receiver.send([Message(b"b", "entry")])
        receiver.close()
        assert server.bodies == [b"a", b"a", b"b"]


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_tcp_and_tls_count_octets(scheme, log, new_target, loopback, tls):
    with serving(CountingServer(tls[0] if scheme == "tls" else None)) as server:
        target = run(new_target(f"{scheme}://127.0.0.1:{server.port}"))
        assert not target.is_acknowledged
        wait_until(lambda: len(server.messages) == target.size + 1)
        assert verified(server.bodies).end == target.size == read_tree().size
        kinds = [message.split(b" ")[5] for message in server.messages]
        assert (set(kinds[:-1]), kinds[-1]) == ({b"entry"}, b"checkpoint")


def test_a_certificate_of_another_authority_is_refused(log, new_target, loopback, tls):
    with serving(RelpServer(tls[0])) as server:
        failed = run(new_target(f"relp+tls://127.0.0.1:{server.port}", ca=""))
        assert failed.last_error == "The certificate or the TLS connection is not valid."
        assert server.messages == []


@pytest.mark.parametrize("scheme", ["relp+tls", "tls"])
def test_a_client_authenticates_itself_with_its_certificate(scheme, log, new_target, loopback, tls):
    certificate, key = client_identity()
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    demanding.load_cert_chain(tls[1], Path(tls[1]).with_name("key.pem"))
    demanding.load_verify_locations(cadata=certificate)
    demanding.verify_mode = ssl.CERT_REQUIRED
    with serving((RelpServer if scheme == "relp+tls" else CountingServer)(demanding)) as server:
        url = f"{scheme}://127.0.0.1:{server.port}"
        target = run(new_target(url, credential=certificate + key))
        wait_until(lambda: len(server.messages) == target.size + 1)
        run(new_target(url, name="nobody"))
        assert len(server.messages) == target.size + 1


def test_an_address_that_is_not_allowed_is_not_connected(log, new_target, loopback, settings):
    with serving(RelpServer()) as server:
        target = new_target(f"relp://localhost:{server.port}")
        settings.CC_NOTIFICATIONS = type(settings.CC_NOTIFICATIONS)()
        assert run(target).last_error == "The address is not public."
        assert server.sessions == 0


@pytest.mark.parametrize("scheme", ["relp", "relp+tls", "tls"])
def test_an_exchange_with_a_silent_server_ends(scheme, log, new_target, loopback, monkeypatch):
    monkeypatch.setattr(connections, "SEND_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel accepts, and nothing responds
        failed = run(new_target(f"{scheme}://127.0.0.1:{server.getsockname()[1]}"))
    assert failed.last_error == "The receiver did not respond in time."


def test_the_parts_of_an_exchange_have_one_deadline(loopback, monkeypatch):
    monkeypatch.setattr(connections, "SEND_SECONDS", 30)
    until = connections.deadline()
    with serving(RelpServer()) as server:
        target = Target("127.0.0.1", server.port, "/", "relp")
        with connections.connect(target, None, until) as connected:
            for act in (
                lambda: connections.connect(target, None, until - 60),
                lambda: relp._Session(connected, until - 60),
            ):
                with pytest.raises(ExchangeFailed, match="timeout"):
                    act()
