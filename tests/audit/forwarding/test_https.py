"""The bodies of HTTPS requests, and what their responses mean."""

import json
from pathlib import Path

import pytest

from audit.forwarding.messages import Message
from audit.forwarding.transports.https import HttpsReceiver
from kernel.http.outgoing import ExchangeFailed
from tests.audit.forwarding.conftest import respond

AT = "2026-11-25T14:05:00.500000Z"
MESSAGES = [
    Message(b'{"id":1}', "entry", AT, "6b5c"),
    Message('{"id":2,"x":"ü"}'.encode(), "entry", "altered", "6b5d"),
]


@pytest.fixture
def send(receiver, tls):
    def send_in(style, messages=MESSAGES, credential=""):
        HttpsReceiver(receiver.url, style, Path(tls[1]).read_text(), credential).send(messages)
        headers, body = receiver.requests[-1]
        return headers, body.decode()

    return send_in


def test_lines_have_one_entry_each(send):
    headers, body = send("lines")
    assert headers["content-type"] == "application/x-ndjson"
    assert "authorization" not in headers
    assert body == '{"id":1}\n{"id":2,"x":"ü"}\n'


def test_splunk_gets_events_with_their_times(send):
    headers, body = send("splunk", [*MESSAGES, Message(b"CEF:0|x", "entry", AT)], "Splunk 5f3c")
    assert headers["authorization"] == "Splunk 5f3c"
    assert [json.loads(line) for line in body.splitlines()] == [
        {"source": "ciphercanary", "event": {"id": 1}, "time": 1795615500.5},
        {"source": "ciphercanary", "event": {"id": 2, "x": "ü"}},
        {"source": "ciphercanary", "event": "CEF:0|x", "time": 1795615500.5},
    ]


def test_elastic_gets_documents_with_ids(send, receiver):
    receiver.response = respond(200, b'{"errors":false,"items":[]}')
    _, body = send("elastic", [*MESSAGES, Message(b"{}", "test")])
    lines = [json.loads(line) for line in body.splitlines()]
    assert lines == [
        {"create": {"_id": "6b5c"}},
        {"id": 1},
        {"create": {"_id": "6b5d"}},
        {"id": 2, "x": "ü"},
        {"create": {}},
        {},
    ]


def test_loki_gets_one_stream(send):
    _, body = send("loki")
    assert json.loads(body) == {
        "streams": [
            {
                "stream": {"service_name": "ciphercanary"},
                "values": [["1795615500500000000", '{"id":1}'], ["0", '{"id":2,"x":"ü"}']],
            }
        ]
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409}}]}', None),
        (b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429}}]}', "item_429"),
        (b'{"errors":true,"items":[{"index":{"status":201}}]}', "response_unknown"),
        (b'{"errors":true,"items":[{"create":{"status":99}}]}', "response_unknown"),
        (b'{"errors":true,"items":[{"create":{"status":600}}]}', "response_unknown"),
        (b'{"errors":true,"items":[{"create":{"status":599}}]}', "item_599"),
        (b'{"errors":true,"items":[{"create":{"status":"201"}}]}', "response_unknown"),
        (b'{"errors":true,"items":[{"create":{"status":Infinity}}]}', "response_unknown"),
        (b'{"items":[]}', "response_unknown"),
        (b"[]", "response_unknown"),
        (b"not JSON", "response_unknown"),
        (b"[" * 100_000, "response_unknown"),
    ],
)
def test_each_document_of_elastic_must_be_accepted(body, reason, send, receiver):
    receiver.response = respond(200, body)
    if reason is None:
        send("elastic")
        return
    with pytest.raises(ExchangeFailed, match=reason):
        send("elastic")


@pytest.mark.parametrize("status", [199 + 1, 204, 299])
def test_a_status_2xx_acknowledges(status, send, receiver):
    receiver.response = status
    send("lines")


@pytest.mark.parametrize("status", [302, 400, 429, 500])
def test_another_status_does_not(status, send, receiver):
    receiver.response = status
    with pytest.raises(ExchangeFailed, match=f"status_{status}"):
        send("lines")


def test_a_server_that_refuses_connections_is_named(send, receiver):
    receiver.server_close()
    with pytest.raises(ExchangeFailed, match="connection_failed"):
        send("lines")
