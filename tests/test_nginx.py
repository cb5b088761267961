"""deploy/nginx between real clients and an upstream that records what it gets."""

import socket
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.product import Site
from tests.services.nginx import PROGRAM, Nginx
from tests.services.processes import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.skipif(PROGRAM is None, reason="needs nginx")]
SECRET = "secret-of-the-link"


class Upstream(BaseHTTPRequestHandler):
    """Responds with the value of Accept-Encoding."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        encoding = self.headers["Accept-Encoding"]
        self.server.encodings.append(encoding)
        self.respond(str(encoding).encode())

    def do_POST(self):
        self.rfile.read(1)
        self.server.got_body.set()

    def respond(self, content):
        self.send_response(200)
        self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def folder():
    """Its parents are open to the account of nginx's workers, unlike those of ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name) / "nginx"


@pytest.fixture
def upstream():
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.encodings, server.got_body = [], threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_body_passes_through_before_it_is_complete(folder, upstream):
    with (
        Nginx(folder, [f"127.0.0.1:{upstream.server_port}"]) as nginx,
        socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as plain,
        nginx.tls.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(b"POST /api/v1/encrypt HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin")
        assert upstream.got_body.wait(10)


def test_a_static_file_is_cached_once_for_each_encoding(folder, upstream):
    with Nginx(folder, [f"127.0.0.1:{upstream.server_port}"]) as nginx:
        site = Site(nginx.port, tls=nginx.tls)
        for accepted, expected in {
            "gzip, deflate, br": b"br",
            "br;q=1.0": b"br",
            "br;q=0, GZIP": b"gzip",
            "gzip": b"gzip",
            "identity": b"None",
            "zstd": b"None",
        }.items():
            for query in ("", "?1", "?2"):
                reply = site.send("GET", f"/static/app.css{query}", headers={"Accept-Encoding": accepted})
                assert reply.content == expected, accepted
    assert upstream.encodings == ["br", "gzip", None]


def test_no_log_contains_the_secret_of_a_link_or_a_query(folder):
    with Nginx(folder, [f"127.0.0.1:{free_port()}"]) as nginx:
        site = Site(nginx.port, tls=nginx.tls)
        links = [f"/{page}/{SECRET}/" for page in ("setup", "invitation", "password-reset")]
        for path in (*links, f"/?search={SECRET}"):
            assert site.send("GET", path).code == "overloaded"
        access = folder / "access.log"
        wait_until(lambda: len(access.read_text().splitlines()) == 4)
    assert SECRET not in access.read_text() + nginx.log.read_text()


def test_requests_of_officers_are_not_logged(folder):
    with Nginx(folder, [f"127.0.0.1:{free_port()}"]) as nginx:
        site = Site(nginx.port, tls=nginx.tls)
        for path in ("/canaries", "/canaries/offices/", "/api/v1/canaries", "/canaries-of-mine/"):
            assert site.send("GET", path).status == 503
        access = folder / "access.log"
        wait_until(lambda: "/canaries-of-mine/" in access.read_text())
    assert len(access.read_text().splitlines()) == 1
