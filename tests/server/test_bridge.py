"""The bridge from ASGI to WSGI, called as a server calls it, with a WSGI application of the test's own."""

import asyncio
import gc
import io
import json
import threading
import time
import tracemalloc
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from ciphercanary.server.connections import bridge
from ciphercanary.server.connections.bridge import DECLINED, WsgiBridge
from ciphercanary.server.connections.byte_budget import ByteBudget
from kernel.http import asgi_bodies, asgi_responses, fast_path
from kernel.http.wsgi_environ import environ
from kernel.observability.metrics import protocol_refusals_total

LIMIT = 1000


def scope(method="GET", path="/", headers=(), query=b"", **more):
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": query,
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.1", 50000),
        "headers": list(headers),
        **more,
    }


@dataclass
class Application:
    """A WSGI application that records its requests, and the threads that called it and closed its responses."""

    status: str = "200 OK"
    calls: list[dict] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    closed_in: list[int] = field(default_factory=list)
    may_respond: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environment, start_response):
        self.calls.append(environment)
        self.bodies.append(environment["wsgi.input"].read())
        self.threads.append(threading.get_ident())
        assert self.may_respond.wait(60)
        start_response(self.status, [("Content-Type", "text/plain"), ("X-One", "1"), ("X-One", "2")])
        return Parts(self)


class Parts:
    def __init__(self, application):
        self.application = application

    def __iter__(self):
        return iter([b"hello ", b"world"])

    def close(self):
        self.application.closed_in.append(threading.get_ident())


@pytest.fixture(autouse=True)
def short_linger(monkeypatch):
    monkeypatch.setattr(asgi_bodies, "LINGER_SECONDS", 0.05)


@pytest.fixture
def application():
    served = Application()
    served.may_respond.set()
    return served


class Client:
    """One request: the messages that it sends, and those that it receives."""

    def __init__(self, *messages):
        self.messages = list(messages) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.sent = []

    async def receive(self):
        if not self.messages:
            await asyncio.sleep(3600)
        return self.messages.pop(0)

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def part(body, *, more):
    return {"type": "http.request", "body": body, "more_body": more}


def bridge_of(application, *, threads=1, bodies=32, **options):
    """A bridge with room for ``bodies`` of full size."""
    budget = ByteBudget(bodies * LIMIT)
    return WsgiBridge(application, threads=threads, max_body_bytes=LIMIT, bodies=budget, **options)


def serve(application, *clients, threads=2, bodies=32, fast=None, limits=(), **request):
    """Send every client's request at once; the clients store the responses."""
    served = bridge_of(application, threads=threads, bodies=bodies, fast=fast, smaller_limits=dict(limits))

    async def all_of_them():
        await asyncio.gather(*(served(scope(**request), c.receive, c.send) for c in clients))

    try:
        asyncio.run(all_of_them())
    finally:
        served._pool.shutdown()


def refusal(client):
    """The problem of a request that the bridge itself refused; its form is that of every other problem."""
    problem = json.loads(client.body)
    assert client.headers[b"content-type"] == b"application/problem+json"
    assert client.headers[b"content-length"] == str(len(client.body)).encode()
    assert client.headers[b"x-content-type-options"] == b"nosniff"
    assert b"default-src 'none'" in client.headers[b"content-security-policy"]
    assert client.headers[b"cache-control"] == b"no-store"
    assert client.headers[b"x-request-id"].decode() == problem["request_id"] != ""
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == client.status
    return problem["code"]


def test_a_response_is_handed_on_whole(application):
    client = Client()
    serve(application, client)
    assert client.status == 200
    assert client.sent[0]["headers"] == [(b"content-type", b"text/plain"), (b"x-one", b"1"), (b"x-one", b"2")]
    assert client.body == b"hello world"


@pytest.mark.parametrize(
    ("declined", "expected"),
    [({}, b"fast"), ({DECLINED: False}, b"fast"), ({DECLINED: True}, b"hello world")],
)
def test_the_fast_path_gets_each_request_first_unless_it_has_declined_it(application, declined, expected):
    async def handler(request, body):
        return fast_path.response(b"fast", request.request_id)

    client = Client()
    ask_fast(application, handler, client, **declined)
    assert client.body == expected


def ask_fast(application, handler, *clients, **scope_values):
    plain = [(b"host", b"localhost"), (b"authorization", b"Bearer x"), (b"content-type", b"application/json")]
    handler.head = fast_path.NATIVE
    fast = {("POST", "/fast"): handler}
    serve(application, *clients, fast=fast, method="POST", path="/fast", headers=plain, **scope_values)


def test_bodies_that_wait_for_the_fast_path_share_a_bound(application):
    """Each is held until its record is durable, for as long as the database takes."""
    clients = [Client(part(b"x" * (LIMIT - 1), more=False)) for _ in range(10)]
    until = time.monotonic() + 60

    async def handler(request, body):
        while sum(bool(c.sent) for c in clients) < 8 and time.monotonic() < until:  # noqa: ASYNC110 - until they were refused
            await asyncio.sleep(0.001)
        return fast_path.response(b"fast", request.request_id)

    ask_fast(application, handler, *clients, bodies=2)
    assert sorted(client.status for client in clients) == [200] * 2 + [503] * 8


def test_a_request_is_what_pep_3333_says(application):
    headers = [(b"host", b"localhost"), (b"content-type", b"text/plain"), (b"x-request-id", b"abc")]
    serve(
        application,
        Client(part(b"data", more=False)),
        method="POST",
        path="/a",
        query=b"b=c",
        headers=headers,
    )
    [asked] = application.calls
    expected = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a",
        "QUERY_STRING": "b=c",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "HTTP_HOST": "localhost",
        "HTTP_X_REQUEST_ID": "abc",
        "REMOTE_ADDR": "192.0.2.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    assert expected.items() <= asked.items()
    assert application.bodies == [b"data"]


def test_the_response_is_closed_in_the_thread_that_made_it(application):
    # Django ends a request when its response is closed, and then handles this thread's connection.
    serve(application, *(Client() for _ in range(20)))
    assert sorted(application.closed_in) == sorted(application.threads)
    assert threading.get_ident() not in application.threads


def test_no_more_threads_than_agreed(application):
    serve(application, *(Client() for _ in range(50)), threads=3)
    assert len(application.calls) == 50
    assert len(set(application.threads)) <= 3


# --- headers


def test_a_repeated_header_is_folded_and_cookies_by_semicolons():
    headers = [
        (b"x-forwarded-for", b"1"),
        (b"x-forwarded-for", b"2"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]
    values = environ(scope(headers=headers), b"")
    assert values["HTTP_X_FORWARDED_FOR"] == "1,2"
    assert values["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"X_Forwarded-For", b"content_length", b"x-request_id"])
def test_a_header_with_an_underscore_is_dropped(name):
    values = environ(scope(headers=[(name, b"spoofed")]), b"")
    assert "spoofed" not in values.values()


@pytest.mark.parametrize(
    "header", [(b"content-length", b"999"), (b"content-length", b"-1"), (b"transfer-encoding", b"chunked")]
)
def test_the_content_length_is_that_of_the_body_with_any_header(header):
    assert environ(scope(headers=[header]), b"four")["CONTENT_LENGTH"] == "4"


def test_header_bytes_beyond_ascii_pass_as_latin_1():
    assert environ(scope(headers=[(b"user-agent", b"caf\xe9")]), b"")["HTTP_USER_AGENT"] == "café"


@pytest.mark.parametrize("path", ["/café", "/\u65e5\u672c", "/\U0001f424", "/\x00"])
def test_a_path_beyond_ascii_arrives_as_its_utf_8_octets(path):
    assert environ(scope(path=path), b"")["PATH_INFO"].encode("latin-1").decode("utf-8") == path


# --- bodies


def test_a_body_in_parts_arrives_as_one(application):
    serve(application, Client(part(b"one ", more=True), part(b"", more=True), part(b"two", more=False)))
    assert application.bodies == [b"one two"]
    assert application.calls[0]["CONTENT_LENGTH"] == "7"


def test_a_body_of_exactly_the_limit_passes(application):
    client = Client(part(b"x" * LIMIT, more=False))
    serve(application, client)
    assert client.status == 200
    assert application.bodies == [b"x" * LIMIT]


@pytest.mark.parametrize("parts", [1, 2, LIMIT + 1])
def test_a_body_above_the_limit_is_413_and_never_reaches_the_application(application, parts):
    size = -(-(LIMIT + 1) // parts)
    client = Client(*(part(b"x" * size, more=number < parts) for number in range(1, parts + 1)))
    serve(application, client)
    assert (client.status, refusal(client)) == (413, "request_too_large")
    assert b"retry-after" not in client.headers
    assert application.calls == []


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"101")]], ids=["no length", "declared length"])
@pytest.mark.parametrize(
    ("path", "expected"), [("/auth/login", 413), ("/auth", 200), ("/api/auth/login", 200), ("/auth/", 413)]
)
def test_a_smaller_limit_under_a_path_holds_before_the_body_is_complete(application, path, expected, headers):
    parts = [part(b"x" * 101, more=expected == 413)]
    client = Client(*parts)
    serve(application, client, path=path, headers=headers, limits={"/auth/": 100})
    assert client.status == expected
    if expected == 413:
        assert b"100 bytes" in client.body
        assert refusal(client) == "request_too_large"


def test_a_body_that_is_declared_too_large_is_refused_unread(application):
    client = Client()
    serve(application, client, headers=[(b"content-length", str(LIMIT + 1).encode())])
    assert (client.status, refusal(client)) == (413, "request_too_large")


def test_a_body_without_end_is_refused_before_it_ends(application):
    client = Client(*(part(b"x" * 100, more=True) for _ in range(1000)))
    serve(application, client)
    assert client.status == 413
    assert application.calls == []


def test_a_slow_body_is_408_and_takes_no_thread(application, monkeypatch):
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.2)
    slow, quick = Client(part(b"begun", more=True)), Client()
    began = time.monotonic()
    serve(application, slow, quick, threads=1)
    assert time.monotonic() - began < 20
    assert (slow.status, refusal(slow)) == (408, "request_timeout")
    assert quick.status == 200
    assert len(application.calls) == 1


def test_a_client_that_leaves_in_the_middle_gets_no_response(application):
    client = Client(part(b"begun", more=True), {"type": "http.disconnect"})
    serve(application, client)
    assert client.sent == []
    assert application.calls == []


# --- load


@contextmanager
def responding_once(condition, application):
    """The application responds to no request before ``condition`` holds, or a minute has passed."""
    application.may_respond.clear()

    def wait():
        until = time.monotonic() + 60
        while not condition() and time.monotonic() < until:
            time.sleep(0.01)
        application.may_respond.set()

    threading.Thread(target=wait, daemon=True).start()
    yield


def test_requests_above_the_limit_of_the_queue_get_503_and_the_others_are_served(application, monkeypatch):
    monkeypatch.setattr(bridge, "WAITING_PER_THREAD", 3)
    clients, counted = [Client() for _ in range(20)], protocol_refusals_total.labels("overloaded")._value
    before = counted.get()
    with responding_once(lambda: sum(bool(client.sent) for client in clients) == 12, application):
        serve(application, *clients, threads=2)
    served = [client for client in clients if client.status == 200]
    refused = [client for client in clients if client.status == 503]
    assert (len(served), len(refused)) == (8, 12)  # two running, three waiting for each
    assert {refusal(client) for client in refused} == {"overloaded"}
    assert {client.headers[b"retry-after"] for client in refused} == {b"1"}
    assert counted.get() == before + 12


def test_every_way_out_gives_its_place_back(application, monkeypatch):
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.1)
    served = bridge_of(application)
    ways = [
        [part(b"", more=False)],
        [part(b"x" * (LIMIT + 1), more=False)],
        [part(b"slow", more=True)],
        [{"type": "http.disconnect"}],
    ]

    async def each():
        for messages in ways:
            client = Client(*messages)
            await served(scope(), client.receive, client.send)
            assert (served._in_flight, served._bodies.charged) == (0, 0)

    asyncio.run(each())
    served._pool.shutdown()


def test_slow_senders_hold_no_place_that_others_need(application, monkeypatch):
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(bridge, "WAITING_PER_THREAD", 1)
    slow = [Client(part(b"x", more=True)) for _ in range(50)]
    quick = [Client(), Client()]
    serve(application, *slow, *quick, threads=1)
    assert {client.status for client in quick} == {200}
    assert {client.status for client in slow} == {408}


def test_bodies_that_are_still_arriving_share_a_bound(application, monkeypatch):
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.5)
    clients = [Client(part(b"x" * (LIMIT - 1), more=True)) for _ in range(10)]
    serve(application, *clients, bodies=2)
    assert sorted(client.status for client in clients) == [408] * 2 + [503] * 8


def test_bodies_that_wait_for_a_thread_share_a_bound(application):
    clients = [Client(part(b"x" * (LIMIT - 1), more=False)) for _ in range(10)]
    with responding_once(lambda: sum(bool(client.sent) for client in clients) == 8, application):
        serve(application, *clients, bodies=2, threads=1)
    assert sorted(client.status for client in clients) == [200] * 2 + [503] * 8
    assert {refusal(client) for client in clients if client.status == 503} == {"overloaded"}


def test_a_client_that_leaves_keeps_its_charge_until_its_thread_is_done(application):
    """The pool's queue holds the body until then. A request that still waits is skipped."""
    application.may_respond.clear()
    served = bridge_of(application)
    clients = [Client(part(b"x" * 10, more=False)) for _ in range(3)]

    async def leave():
        requests = [asyncio.create_task(served(scope(), c.receive, c.send)) for c in clients]
        while not application.calls:  # noqa: ASYNC110 - the thread has no event to wait for
            await asyncio.sleep(0.001)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        assert (served._in_flight, served._bodies.charged) == (3, 30)
        application.may_respond.set()
        while served._in_flight:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        assert served._bodies.charged == 0

    asyncio.run(asyncio.wait_for(leave(), 60))
    served._pool.shutdown()
    assert len(application.calls) == 1


@pytest.mark.parametrize(
    ("bodies", "code"), [(2, "overloaded"), (50, "request_timeout")], ids=["overloaded", "too slow"]
)
def test_refusals_leave_nothing_in_memory(application, monkeypatch, bodies, code):
    """A shared exception collects the frames of every raise, and with them their bodies."""
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.05)

    def refuse():
        clients = [Client(part(b"x" * (LIMIT - 1), more=True)) for _ in range(31)]
        serve(application, *clients, bodies=bodies)
        assert code in {refusal(client) for client in clients}

    refuse()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5):
            refuse()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 31 * LIMIT, "less than the bodies of one round"


@pytest.mark.parametrize(("size", "is_gone"), [(999, True), (9, False)])
def test_a_large_body_does_not_wait_for_the_collector(monkeypatch, size, is_gone):
    """Requests of Django are reference cycles: an anonymous client could make hundreds of bodies pile up."""
    monkeypatch.setattr(bridge, "LARGE_BODY", 10)
    requests = []

    class Request:
        def __init__(self, environment):
            self.itself, self.environment = self, environment

    def application(environment, start_response):
        requests.append(weakref.ref(Request(environment)))
        start_response("200 OK", [])
        return [b""]

    gc.disable()
    try:
        serve(application, Client(part(b"x" * size, more=False)))
        assert (requests[0]() is None) == is_gone
    finally:
        gc.enable()


def test_an_application_that_fails_gives_its_place_back(application):
    def fails(_environment, _start_response):
        raise ValueError("a defect")

    served = bridge_of(fails)
    client = Client()
    with pytest.raises(ValueError, match="a defect"):
        asyncio.run(served(scope(), client.receive, client.send))
    assert served._in_flight == 0
    served._pool.shutdown()


# --- the rest of the protocol


def test_head_gets_a_response_without_a_body(application):
    client = Client()
    serve(application, client, method="HEAD")
    assert client.status == 200
    assert client.body == b""
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]


def test_a_refusal_echoes_the_senders_request_id_where_it_is_one(application):
    for sent, echoed in {b"mine-1": True, b"two words": False, b"x" * 65: False}.items():
        client = Client(part(b"x" * (LIMIT + 1), more=False))
        serve(application, client, headers=[(b"x-request-id", sent)])
        assert (client.headers[b"x-request-id"] == sent) == echoed


def test_the_end_waits_for_what_is_at_work(application):
    async def end():
        finished.append("end")

    def work(loop):
        time.sleep(0.2)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)  # it needs the event loop
        finished.append("work")

    async def scene():
        served = bridge_of(application, at_start=lambda: finished.append("start"), at_end=end)
        served._pool.submit(work, asyncio.get_running_loop())
        await served({"type": "lifespan"}, lifespan.receive, lifespan.send)

    lifespan, finished = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}), []
    asyncio.run(scene())
    assert [message["type"] for message in lifespan.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert finished == ["start", "work", "end"]


def test_the_write_callable_of_old_is_refused():
    def writes(_environment, start_response):
        start_response("200 OK", [])(b"data")

    client = Client()
    with pytest.raises(TypeError, match="return the body"):
        serve(writes, client)


class Files:
    """A WSGI application that responds with a file, as Django's handler does for a ``FileResponse``."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        self.closed = 0

    def __call__(self, environment, start_response):
        start_response("200 OK", [("Content-Length", str(self.size))])
        file = self.path.open("rb")
        response = environment["wsgi.file_wrapper"](file, 4096)
        close = response.close

        def close_and_count():
            self.closed += 1
            close()

        response.close = close_and_count
        return response


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def test_a_file_is_sent_block_by_block_after_the_application_is_done(file, monkeypatch):
    monkeypatch.setattr(asgi_responses, "BLOCK", 100_000)
    content = file.read_bytes()
    application = Files(file, len(content))
    client = Client()
    serve(application, client)
    assert client.body == content
    sizes = [len(message["body"]) for message in client.sent[1:]]
    assert sizes == [100_000] * 10 + [len(content) - 1_000_000, 0]
    assert [message.get("more_body", False) for message in client.sent[1:]] == [True] * 11 + [False]
    assert application.closed == 1


def test_a_head_request_for_a_file_gets_no_body(file):
    client = Client()
    serve(Files(file, 7), client, method="HEAD")
    assert client.headers[b"content-length"] == b"7"
    assert client.body == b""


def test_a_slow_reader_of_a_file_holds_no_thread(file, monkeypatch):
    monkeypatch.setattr(asgi_responses, "BLOCK", 100_000)

    class Slow(Client):
        async def send(self, message):
            await super().send(message)
            if len(self.sent) == 2:
                await asyncio.wait_for(others_done.wait(), 10)

    class Counted(Client):
        async def send(self, message):
            await super().send(message)
            if not message.get("more_body", message["type"] == "http.response.start"):
                others_done.set()

    others_done = asyncio.Event()
    slow, other = Slow(), Counted()
    serve(Files(file, 1), slow, other, threads=1)
    assert slow.body == other.body == file.read_bytes()


def test_an_object_that_is_no_system_file_is_sent_whole():
    client = Client()
    serve(
        lambda environment, start: (
            start("200 OK", []) and environment["wsgi.file_wrapper"](io.BytesIO(b"x" * 10_000), 4096)
        ),
        client,
    )
    assert client.body == b"x" * 10_000
