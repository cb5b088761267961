import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ciphercanary.server import health_check
from tests.services.processes import free_port


class Responses(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = (200, b"ready\n") if self.path == "/readyz" else (503, b"not ready: database\n")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def port():
    with HTTPServer(("127.0.0.1", 0), Responses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(monkeypatch, address):
    monkeypatch.setattr("sys.argv", ["health_check", address])
    health_check.main()


def test_a_container_that_responds_with_200_is_healthy(monkeypatch, port):
    check(monkeypatch, f"{port}/readyz")


def test_another_response_is_shown_to_the_engine(monkeypatch, port):
    with pytest.raises(SystemExit, match="503 not ready: database"):
        check(monkeypatch, f"{port}/other")


def test_a_container_that_does_not_respond_is_unhealthy(monkeypatch):
    with pytest.raises(SystemExit, match="refused"):
        check(monkeypatch, f"{free_port()}/readyz")
