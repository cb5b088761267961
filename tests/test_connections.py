"""Connections in realistic use: pipelined, in pieces, large, closed, never finished, too many."""

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.personas import b64
from tests.product import Product

pytestmark = pytest.mark.process

LIMIT = 40
KEEPALIVE = 1  # seconds for which an impatient server keeps a connection
SOON = 60  # seconds
OPEN = {"01", "08"}  # in /proc/net/tcp: established, and closed by the client only


@pytest.fixture(scope="module", params=["protocol", "asgi"])
def served(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("connections")
    with Product(folder, CC_LANE=request.param, CC_MAX_CONNECTIONS=str(LIMIT)) as product:
        yield Served(product)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("impatient"), CC_KEEPALIVE_SECONDS=str(KEEPALIVE)) as product:
        yield Served(product)


class Served:
    def __init__(self, product):
        self.product = product
        self.token = product.token()
        body = {"name": "wire", "algorithm": "aes-256"}
        self.key_id = product.send("POST", "/api/v1/keys", body, token=self.token).json["id"]
        for _ in range(2):
            with self.connect() as client:
                client.send(self.request())
                assert client.response()[0] == 200

    def request(self, size=16, more="", version="1.1", name="r"):
        body = json.dumps(
            {"algorithm": "aes-256-gcm", "key_id": self.key_id, "data": b64(bytes(size))}
        ).encode()
        head = (
            f"POST /api/v1/encrypt HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Request-ID: {name}\r\n{more}\r\n"
        )
        return head.encode() + body

    def connect(self):
        return Client(socket.create_connection(("127.0.0.1", self.product.port), timeout=20))

    def has_connections(self):
        """Whether the server has a connection that it has not closed."""
        ours = f"0100007F:{self.product.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(local == ours and state in OPEN for _, local, _, state, *_ in rows)


class Client:
    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.connection.close()

    def send(self, data):
        self.connection.sendall(data)

    def response(self):
        """Status, headers and body of the next response; None at the end of the connection."""
        line = self.file.readline()
        if not line:
            return None
        headers = {}
        while (header := self.file.readline().strip()) != b"":
            name, _, value = header.partition(b": ")
            headers[name.lower().decode()] = value.decode()
        body = self.file.read(int(headers["content-length"]))
        return int(line.split()[1]), headers, json.loads(body)

    def is_closed(self):
        try:
            return self.file.readline() == b""
        except ConnectionResetError:
            return True


def test_one_connection_serves_requests_of_both_paths_in_turn(served):
    with served.connect() as client:
        for turn in range(6):
            more = "Sec-Fetch-Site: none\r\n" if turn % 2 else ""  # the fast path leaves it to Django
            client.send(served.request(name=f"turn-{turn}", more=more))
            status, headers, _ = client.response()
            assert (status, headers["x-request-id"]) == (200, f"turn-{turn}")


def test_pipelined_requests_get_responses_in_their_order(served):
    names = [f"pipelined-{number}" for number in range(30)]
    with served.connect() as client:
        client.send(b"".join(served.request(name=name) for name in names))
        assert [client.response()[1]["x-request-id"] for _ in names] == names


@pytest.mark.parametrize("size", [70_000, 300_000])
def test_a_large_request_behind_another_is_not_lost(served, size):
    with served.connect() as client:
        for number in range(8):
            client.send(
                served.request(size=size, name=f"a-{number}") + served.request(size=size, name=f"b-{number}")
            )
            responses = [client.response() for _ in range(2)]
            assert [(status, headers["x-request-id"]) for status, headers, _ in responses] == [
                (200, f"a-{number}"),
                (200, f"b-{number}"),
            ]


@pytest.mark.parametrize("cut", [1, 10, 40, -70, -1])
def test_a_request_in_pieces_gets_a_response(served, cut):
    whole = served.request()
    with served.connect() as client:
        client.send(whole[:cut])
        time.sleep(0.05)
        client.send(whole[cut:])
        assert client.response()[0] == 200
        client.send(whole)
        assert client.response()[0] == 200


def test_a_request_sent_byte_by_byte_gets_a_response(served):
    with served.connect() as client:
        for byte in served.request():
            client.send(bytes([byte]))
        assert client.response()[0] == 200


def test_a_client_that_asks_to_close_is_closed(served):
    with served.connect() as client:
        client.send(served.request(more="Connection: close\r\n"))
        status, headers, _ = client.response()
        assert (status, headers["connection"].lower()) == (200, "close")
        assert client.is_closed()


def test_http_1_0_gets_a_response_and_is_closed(served):
    with served.connect() as client:
        client.send(served.request(version="1.0"))
        assert client.response()[0] == 200
        assert client.is_closed()


def test_a_body_in_chunks_gets_a_response(served):
    head, _, body = served.request().partition(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    with served.connect() as client:
        client.send(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert client.response()[0] == 200


def test_a_body_too_large_for_auth_is_refused_before_it_is_sent(served):
    with served.connect() as client:
        client.send(
            b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 20000\r\n\r\n"
        )
        status, headers, problem = client.response()
        assert (status, problem["code"]) == (413, "request_too_large")
        assert headers["x-request-id"] == problem["request_id"]


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n"], ids=["none", "two"])
def test_a_request_names_one_host(served, hosts):
    with served.connect() as client:
        client.send(b"GET /livez HTTP/1.1\r\n%b\r\n" % hosts)
        status, headers, problem = client.response()
        assert (status, problem["code"]) == (400, "invalid_request")
        assert headers["x-request-id"] == problem["request_id"]
        assert client.is_closed()


def test_a_client_that_leaves_disturbs_no_one(served):
    for _ in range(20):
        with served.connect() as client:
            client.send(served.request())
    with served.connect() as client:
        client.send(served.request())
        assert client.response()[0] == 200


@pytest.mark.parametrize("sent", [b"", b"POST /api/v1/encrypt HTTP/1.1\r\nHost: lo"])
def test_a_head_that_never_ends_is_not_waited_for(impatient, sent):
    began = time.monotonic()
    with impatient.connect() as client:
        client.send(sent)
        assert client.is_closed()
    assert time.monotonic() - began > KEEPALIVE * 0.9


def test_a_connection_in_use_is_not_closed_while_it_is_used(impatient):
    until = time.monotonic() + SOON
    while not stayed_open_in_use(impatient):
        assert time.monotonic() < until


def stayed_open_in_use(served):
    """Return False if the machine paused for longer than a connection is kept, which proves nothing."""
    with served.connect() as client:
        asked = time.monotonic()
        for _ in range(5):
            time.sleep(KEEPALIVE * 0.6)
            last, asked = asked, time.monotonic()
            try:
                client.send(served.request())
                response = client.response()
            except ConnectionError:
                response = None
            if response is None:
                assert time.monotonic() - last >= KEEPALIVE
                return False
            assert response[0] == 200
        assert client.is_closed()
        assert time.monotonic() - asked > KEEPALIVE * 0.9
    return True


def test_more_connections_than_allowed_are_closed_at_once(served):
    until = time.monotonic() + SOON
    while served.has_connections():
        assert time.monotonic() < until
        time.sleep(0.02)
    with ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(LIMIT)]
        for client in clients:
            client.send(served.request())
            assert client.response()[0] == 200
        assert stack.enter_context(served.connect()).is_closed()
        clients[0].send(served.request())
        assert clients[0].response()[0] == 200


def test_a_slow_reader_gets_one_response_to_each_request_in_order(served):
    """Data that arrives while a response waits to be read must not start its request again."""
    names = [f"unread-{number}" for number in range(300)]
    requests = b"".join(served.request(size=9_000, name=name) for name in names)
    with served.connect() as client:
        client.connection.settimeout(None)
        sender = threading.Thread(target=send_in_crumbs, args=[client, requests])
        sender.start()
        time.sleep(0.3)  # responses pile up: several times the system's buffers
        responses = [client.response() for _ in names]
        sender.join()
    assert [headers["x-request-id"] for _, headers, _ in responses] == names
    assert {status for status, _, _ in responses} == {200}


def send_in_crumbs(client, requests):
    for begin in range(0, len(requests), 50_000):
        client.send(requests[begin : begin + 1])
        client.send(requests[begin + 1 : begin + 50_000])


def test_a_sender_that_does_not_read_does_not_fill_the_memory(served):
    requests = served.request().replace(served.token.encode(), b"x") * 500  # 401, at once
    before = memory_of(served.product)
    with ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(10)]
        for client in clients:
            client.connection.setblocking(False)
        began = accepted = time.monotonic()
        # Until the server has accepted nothing for a while, because it waits for its clients to read.
        while time.monotonic() < min(began + SOON, accepted + 0.5):
            for client in clients:
                with suppress(OSError):
                    client.connection.send(requests)
                    accepted = time.monotonic()
            time.sleep(0.001)
        assert memory_of(served.product) - before < 60
    assert served.product.send("GET", "/livez").status == 200


def memory_of(product):
    """The resident memory of all web workers, in MiB."""
    sizes = [
        line.split()[1]
        for worker in product.processes_of("gunicorn")
        for line in Path(f"/proc/{worker}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return sum(map(int, sizes)) // 1024
