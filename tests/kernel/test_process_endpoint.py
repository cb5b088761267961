"""The metrics and the liveness of a process without a web server."""

import contextlib
import http.client
import socket
import threading

import pytest

from kernel.observability import loops, metrics_folder, process_endpoint
from kernel.observability.metrics import audit_lag_seconds, audit_tree_size
from tests.waiting import wait_until


@pytest.fixture
def port(settings, monkeypatch):
    """A free port, on which the endpoint is served."""
    monkeypatch.delenv(metrics_folder.VARIABLE, raising=False)
    loops._turns.drop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.CC_METRICS_PORT = probe.getsockname()[1]
    process_endpoint.serve()
    return settings.CC_METRICS_PORT


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_it_shows_the_figures_of_the_process_and_none_of_the_database(port):
    audit_lag_seconds.set(0)
    loops.record_turn("sequencer")
    status, text = get(port, "/metrics")
    assert status == 200
    assert 'loop_last_turn_timestamp_seconds{loop="sequencer"} 1.' in text
    assert "\nprocess_resident_memory_bytes " in text
    assert "\naudit_anchor_failures_total" in text or "# TYPE audit_anchor_failures_total counter" in text
    assert audit_lag_seconds._name not in text
    assert audit_tree_size._name not in text


def test_a_loop_that_does_not_turn_fails_the_probe(port):
    assert get(port, "/livez") == (200, "ok\n")
    loops.record_turn("sequencer")
    assert get(port, "/livez") == (200, "ok\n")
    loops._turns.current.times["sequencer"] -= loops.STUCK_SECONDS + 1
    assert get(port, "/livez") == (503, "stuck: sequencer\n")


def test_metrics_are_for_their_networks_only_and_the_probe_for_all(port, settings):
    settings.CC_METRICS_NETWORKS = ["192.0.2.0/24"]
    assert get(port, "/metrics")[0] == 403
    assert get(port, "/livez")[0] == 200
    assert get(port, "/admin/")[0] == 404
    assert get(port, "/metrics", "POST")[0] == 501


def test_slow_clients_keep_out_no_probe(port, monkeypatch):
    monkeypatch.setattr(process_endpoint, "SECONDS", 1000.0)
    with contextlib.ExitStack() as stack:
        oldest, *others = [stack.enter_context(hold(port)) for _ in range(process_endpoint.THREADS)]
        wait_until(lambda: threads() == process_endpoint.THREADS)
        assert get(port, "/livez") == (200, "ok\n")
        assert oldest.recv(1) == b""
        for each in others:
            each.settimeout(0)
            with pytest.raises(BlockingIOError):
                each.recv(1)
    wait_until(lambda: threads() == 0)


def test_a_connection_ends_after_a_while(port, monkeypatch):
    monkeypatch.setattr(process_endpoint, "SECONDS", 0.0)
    with hold(port) as held:
        assert held.recv(1) == b""
    wait_until(lambda: threads() == 0)


def hold(port):
    """A connection with the beginning of a request."""
    held = socket.create_connection(("127.0.0.1", port), timeout=60)
    held.sendall(b"GET /livez HT")
    return held


def threads():
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_a_port_that_is_taken_is_named(port):
    with pytest.raises(process_endpoint.CannotListen, match=rf"cannot listen on 127\.0\.0\.1 port {port} \("):
        process_endpoint.serve()


def test_without_a_port_or_beside_a_web_server_nothing_is_served(port, settings, monkeypatch):
    monkeypatch.setenv(metrics_folder.VARIABLE, "/folder/of/the/web/server")
    process_endpoint.serve()  # otherwise the port would be taken
    settings.CC_METRICS_PORT = 0
    monkeypatch.delenv(metrics_folder.VARIABLE)
    process_endpoint.serve()
