"""The probes respond in time and in their own format, even if every thread of the server is stuck."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from django.http import HttpResponse

from ciphercanary.monitoring import METRICS, PROBES, REPORTS
from ciphercanary.server import probes
from ciphercanary.server.connections.bridge import WAITING_PER_THREAD
from ciphercanary.server.probes import Probes
from kernel.observability import check_rounds
from kernel.observability.check_rounds import CheckRounds

SOON = 15  # seconds, on a busy machine
MANY = probes.THREADS * (1 + WAITING_PER_THREAD) + 3  # more requests than the threads and their queue accept
EXPECTED = {
    "/livez": (200, b"text/plain", b"ok\n"),
    "/readyz": (503, b"text/plain", b"not ready: "),
    "/health": (503, b"application/json", b'{"status": "unhealthy", "timestamp": "'),
    "/metrics": (200, b"text/plain; version=", b"# HELP "),
}


async def others(_scope, _receive, _send):
    raise AssertionError("the probes are not for the others")


async def ask(application, path, client="127.0.0.1", **headers):
    """The status, the content type and the body."""
    sent = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [
            (name.replace("_", "-").encode(), value)
            for name, value in ({"host": b"localhost", "cookie": b"session=x"} | headers).items()
        ],
        "client": (client, 1),
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    headers = dict(sent[0]["headers"])
    return sent[0]["status"], headers[b"content-type"], b"".join(part.get("body", b"") for part in sent)


@pytest.fixture
def stuck(monkeypatch):
    """The probes in front of an application that never responds, and the environments of its requests."""
    monkeypatch.setattr(probes, "SECONDS", 0.2)
    ends, seen = threading.Event(), []

    def application(environ, _start):
        seen.append(environ)
        ends.wait()
        return []

    reports = {path: report and ends.wait for path, report in REPORTS.items()}
    yield Probes(application, PROBES, METRICS, reports=reports, others=others), seen
    ends.set()


@pytest.mark.parametrize(("size", "expected"), [(1024, 200), (1025, 413)])
def test_a_probe_has_a_body_of_1024_bytes_at_most(size, expected):
    def application(_environ, start):
        start("200 OK", [("Content-Type", "text/plain")])
        return []

    probe = Probes(application, PROBES, reports=REPORTS, others=others)
    response = asyncio.run(ask(probe, "/health", content_length=b"%d" % size))
    assert response[0] == expected


@pytest.mark.parametrize("path", EXPECTED)
def test_a_probe_whose_threads_are_stuck_responds_in_its_own_format(stuck, path):
    application, seen = stuck
    number = 3 if path == "/metrics" else MANY  # each of its responses exports every figure

    async def several():
        return await asyncio.gather(*(ask(application, path) for _ in range(number)))

    began = time.monotonic()
    responses = asyncio.run(several())
    assert time.monotonic() - began < SOON
    status, kind, beginning = EXPECTED[path]
    for response in responses:
        assert (response[0], response[1][: len(kind)], response[2][: len(beginning)]) == (
            status,
            kind,
            beginning,
        )
    assert all("HTTP_COOKIE" not in environ for environ in seen)


def test_requests_at_the_same_time_share_one_report():
    ends, runs = threading.Event(), []

    def report():
        runs.append(1)
        ends.wait(SOON)
        return HttpResponse("well", "text/plain")

    application = Probes(None, PROBES, reports=REPORTS | {"/health": report}, others=others)

    async def many_requests():
        asyncio.get_running_loop().call_later(0.05, ends.set)
        return await asyncio.gather(*(ask(application, "/health") for _ in range(MANY)))

    assert set(asyncio.run(many_requests())) == {(200, b"text/plain", b"well")}
    assert len(runs) == 1


def test_a_process_without_a_free_thread_is_unhealthy_until_it_has_one(monkeypatch):
    rounds = CheckRounds({"first": lambda: "well"})

    def report():
        return HttpResponse(rounds.results().get("first", "unwell"), "text/plain")

    def refuse(**_options):
        raise RuntimeError("can't start new thread")

    application = Probes(None, PROBES, reports=REPORTS | {"/health": report}, others=others)
    with monkeypatch.context() as full:
        full.setattr(check_rounds, "threading", SimpleNamespace(Thread=refuse, Event=threading.Event))
        status, kind, body = asyncio.run(ask(application, "/health"))
    assert (status, kind) == EXPECTED["/health"][:2]
    assert body.startswith(EXPECTED["/health"][2])
    assert asyncio.run(ask(application, "/health")) == (200, b"text/plain", b"well")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"client": "198.51.100.7"}, 503),
        ({"x_forwarded_for": b"127.0.0.1"}, 503),
        ({"forwarded": b"for=127.0.0.1"}, 503),
        ({"host": b"rebound.example"}, 400),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_late_metrics_are_for_their_networks_only(stuck, request_, expected):
    status, kind, body = asyncio.run(ask(stuck[0], "/metrics", **request_))
    assert (status, kind) == (expected, b"text/plain")
    assert b"HELP" not in body


def test_a_check_that_hangs_is_asked_once_and_keeps_no_other_from_its_result():
    ends, calls = threading.Event(), []

    def hang():
        calls.append(1)
        ends.wait()

    rounds = CheckRounds({"first": lambda: "well", "hanging": hang, "behind": lambda: "well"})
    began = time.monotonic()
    assert [rounds.results() for _ in range(20)] == [{"first": "well"}] * 20
    assert time.monotonic() - began < SOON
    assert len(calls) == 1
    ends.set()


def test_a_result_is_shared_for_a_while_and_then_found_anew(monkeypatch):
    calls = []
    rounds = CheckRounds({"count": lambda: calls.append(1) or len(calls)})
    assert [rounds.results()["count"] for _ in range(3)] == [1, 1, 1]
    monkeypatch.setattr(check_rounds, "FRESH", 0.0)
    assert rounds.results()["count"] == 2
