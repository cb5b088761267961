"""Traces of the running product, as a collector receives them."""

import pytest

from tests.collector import Collector, values
from tests.product import Product, b64
from tests.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.database]
SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """The spans of one encryption, one stream, one page and one job."""
    with (
        Collector() as collector,
        Product(
            tmp_path_factory.mktemp("traced"),
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        ) as product,
    ):
        token = product.token()
        key = {"name": "traced", "algorithm": "aes-256"}
        key_id = product.send("POST", "/api/v1/keys", key, token=token).json["id"]
        body = {"key_id": key_id, "algorithm": "aes-256-gcm", "data": b64(b"data")}
        for _ in range(2):  # the first one loads the key
            sent = {"Traceparent": SENT}
            assert product.send("POST", "/api/v1/encrypt", body, token=token, headers=sent).status == 200
        octets = {"Content-Type": "application/octet-stream"}
        path = f"/api/v1/stream/encrypt?key_id={key_id}"
        assert product.send("POST", path, b"data", token=token, headers=octets).status == 200
        assert product.send("GET", "/keys/traced/", headers=product.sign_in()).status == 200
        response = product.send("POST", "/api/v1/audit/exports", {"format": "csv"}, token=token)
        assert response.status == 202, response.content
        wait_until(lambda: any(span.name.startswith("job") for span in collector.spans))
        assert product.send("GET", "/livez").status == 200
        assert product.stop() == 0
        yield collector


def shape(members):
    """Names of spans, those of SQL as ``SQL``."""
    return ["SQL" if "db.query.text" in values(span) else span.name for span in members]


def test_an_encryption_continues_the_clients_trace_and_waits_for_its_commit(collector):
    *_, request, commit = collector.trace_of("POST /api/v1/encrypt")
    assert request.trace_id.hex() == SENT[3:35]
    assert values(request) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/encrypt",
        "http.response.status_code": 200,
        "http.request.id": values(request)["http.request.id"],
        "ciphercanary.algorithm": "aes-256-gcm",
    }
    assert (commit.name, commit.parent_span_id) == ("audit commit", request.span_id)


def test_the_first_encryption_shows_the_statements_that_loaded_its_key(collector):
    assert "SQL" in shape(collector.trace_of("POST /api/v1/encrypt"))


def test_a_stream_has_one_span_with_the_statements_of_its_head(collector):
    request, *rest = collector.trace_of("POST /api/v1/stream/encrypt")
    assert set(shape(rest)) == {"SQL", "audit commit"}
    assert values(request)["http.response.status_code"] == 200


def test_a_page_shows_its_route_and_its_statements(collector):
    request, *rest = collector.trace_of("GET /keys/<slug:name>/")
    assert set(shape(rest)) == {"SQL"}
    assert all(span.parent_span_id == request.span_id for span in rest)


def test_a_job_names_the_request_that_submitted_it(collector):
    job, *rest = collector.trace_of("job audit_export")
    submitted = collector.trace_of("POST /api/v1/audit/exports")[0]
    assert values(job)["http.request.id"] == values(submitted)["http.request.id"]
    assert set(shape(rest)) == {"SQL"}


def test_probes_leave_no_trace_and_every_span_names_its_service(collector):
    assert not [span.name for span in collector.spans if "livez" in span.name or span.name == "GET"]
    assert {resource["service.name"] for resource in collector.resources} == {"ciphercanary"}
