import socket
import threading

import pytest

from bench.requests import Refused
from bench.streams import send_stream

SIZE = 3 * 1024 * 1024 + 5
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def served(respond, port_of):
    """Start a server for one connection: it skips the request's head, and ``respond`` handles the rest."""
    listener = socket.create_server(("127.0.0.1", 0))
    port_of.append(listener.getsockname()[1])

    def serve():
        connection, _ = listener.accept()
        with connection, listener, connection.makefile("rb") as body:
            while body.readline() != b"\r\n":
                pass
            respond(connection, body)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def send_to(respond):
    port = []
    thread = served(respond, port)
    try:
        return send_stream(port[0], "/stream", {}, SIZE)
    finally:
        thread.join(10)


def echo(connection, body, count):
    while count:
        block = body.read(min(65536, count))
        connection.sendall(b"%x\r\n%s\r\n" % (len(block), block))
        count -= len(block)


def test_a_stream_is_sent_and_received_at_once():
    def respond(connection, body):
        connection.sendall(CHUNKED)
        echo(connection, body, SIZE)
        connection.sendall(b"0\r\n\r\n")

    assert send_to(respond) > SIZE


def test_a_response_without_its_last_chunk_is_no_response():
    def respond(connection, body):
        connection.sendall(CHUNKED)
        echo(connection, body, SIZE)

    with pytest.raises(Refused, match="cut short"):
        send_to(respond)


def test_a_refusal_is_reported():
    def respond(connection, body):
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        body.read(SIZE)

    with pytest.raises(Refused, match="503"):
        send_to(respond)
