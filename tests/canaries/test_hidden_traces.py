"""The trace of an officer's request is that of an unknown path."""

import asyncio
from itertools import pairwise

import pytest

from canaries.hidden import officers
from kernel.http.traced_requests import RECORDED_STATUS, TracedApplication
from kernel.observability import spans
from tests.canaries.officers import make_officer
from tests.kernel.test_tracing import begun, export_to, exporter  # noqa: F401 - fixtures


@pytest.fixture
def traced(exporter, settings):  # noqa: F811 - the fixture
    settings.CC_TRACES = True
    settings.MIDDLEWARE = ["kernel.http.traced_requests.RouteOfRequest", *settings.MIDDLEWARE]

    def request(send, path):
        span = begun(route="")
        with spans.active(span), spans.traced_statements():
            response = send(path)
        span.end()
        return response

    return request


@pytest.mark.django_db(transaction=True)
def test_a_hidden_page_leaves_the_spans_of_an_unknown_path(monkeypatch, sealed, traced, exporter):  # noqa: F811 - the fixture
    monkeypatch.setattr(officers, "PERIOD", 3600.0)  # a refresh would be a statement more
    officer, browser = make_officer("mira")
    for path in ("/walruses/", "/api/v1/walruses"):
        officer.api.get(path)
        browser.get(path)
    for path in ("/walruses/", "/api/v1/walruses", "/canaries/", "/api/v1/canaries/journal"):
        send = officer.api.get if path.startswith("/api") else browser.get
        response = traced(send, path)
        assert response.headers.get(RECORDED_STATUS, "") == ("404" if "canaries" in path else "")
    names = [(span.name, span.attributes.get("error.type")) for span in exporter.ended()]
    ends = [place + 1 for place, name in enumerate(names) if name == ("GET", "not_found")]
    page, api, hidden_page, hidden_api = (names[start:end] for start, end in pairwise([0, *ends]))
    assert hidden_page == page
    assert hidden_api == api


def test_the_span_gets_the_status_that_a_header_names_and_the_client_does_not(exporter):  # noqa: F811 - the fixture
    sent = []

    async def send(message):
        sent.append(message)

    async def application(_scope, _receive, send):
        headers = [(b"cc-recorded-status", b"404"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    asyncio.run(TracedApplication(application, set())(scope, None, send))
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    ]
    [span] = exporter.ended()
    assert span.attributes["http.response.status_code"] == 404
