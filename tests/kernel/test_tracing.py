"""Spans: their contents, the trace that they belong to, and an export that delays no one."""

import io
import json
import logging
import subprocess
import sys
import threading
import time

import django.db
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from audit.models import AuditExport
from kernel.environment.variables import Environment
from kernel.jobs import delivery, registry, running
from kernel.jobs import registry as jobs_registry
from kernel.observability import logs, span_export, spans
from kernel.observability.span_export import Export
from tests.product import ROOT

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{PARENT}-01".encode()
WHAT_IS_LOADED = """
import sys
from ciphercanary import asgi
from ciphercanary.server import fast_path_worker
from audit.commit import loop_writer, writer
from django.conf import settings
from django.db import connection
print([name for name, module in sys.modules.items() if module and name.startswith(("opentelemetry", "boto"))])
print(fast_path_worker._protocol().__name__, type(asgi.application._others).__name__)
print([hasattr(each, "__wrapped__") for each in (writer.submit, loop_writer.submit)])
"""


@pytest.fixture
def export_to():
    """Spans go to this exporter for the rest of the test."""

    def replace(exporter):
        spans._export.drop()
        spans._export.current = Export(exporter)
        return exporter

    yield replace
    spans._export.drop()


@pytest.fixture
def exporter(export_to):
    """Spans are exported to memory; ``ended`` returns them."""
    memory = export_to(InMemorySpanExporter())
    memory.ended = lambda: (spans.close(), memory.get_finished_spans())[1]
    return memory


def begun(traceparent=b"", route="/api/v1/keys"):
    return spans.begin_request("GET", route, traceparent)


def test_without_traces_and_buckets_nothing_is_loaded_and_no_function_is_wrapped(tmp_path):
    environment = {"DJANGO_SETTINGS_MODULE": "ciphercanary.settings", "CC_HOME": str(tmp_path)}
    command = [sys.executable, "-c", WHAT_IS_LOADED]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "FastPathProtocol StreamEndpoint", "[False, False]"]


@pytest.mark.parametrize("address", ["collector:4318", "grpc://secret:4317", "http://", "https:///secret"])
def test_an_address_that_is_not_of_a_web_server_is_refused_without_its_value(monkeypatch, address):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    with pytest.raises(
        ImproperlyConfigured, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as"
    ) as raised:
        Environment().http_url("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert "secret" not in str(raised.value)


# --- the client's trace


@pytest.mark.parametrize("flags", [b"01", b"00"])
def test_a_request_continues_the_clients_trace_and_is_recorded_with_any_flag(exporter, flags):
    begun(SENT[:-2] + flags).end()
    [span] = exporter.ended()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize(
    "sent", [b"", b"00-secret-secret-01", SENT.replace(b"b7", b"xx"), b"ff" + SENT[2:], b"\xff" * 55]
)
def test_an_invalid_header_begins_a_new_trace(exporter, sent):
    begun(sent).end()
    [span] = exporter.ended()
    assert span.parent is None
    assert "secret" not in span.to_json()


def test_a_sampler_of_the_operator_replaces_ours(monkeypatch, settings, export_to):
    settings.OTEL_TRACES_SAMPLER = "parentbased_always_on"
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    memory = export_to(InMemorySpanExporter())
    begun(SENT[:-2] + b"00").end()
    spans.close()
    assert memory.get_finished_spans() == ()


# --- contents


def test_the_method_of_a_client_is_one_of_the_known_words(exporter):
    spans.begin_request("SECRET", "", b"").end()
    [span] = exporter.ended()
    assert (span.name, dict(span.attributes)) == ("_OTHER", {"http.request.method": "_OTHER"})


@pytest.mark.django_db
def test_a_page_is_named_after_its_route_and_not_its_path(exporter, client, settings):
    settings.MIDDLEWARE = ["kernel.http.traced_requests.RouteOfRequest", *settings.MIDDLEWARE]
    span = begun(route="")
    with spans.active(span):
        client.get(
            "/setup/secretcode-of-a-link-0123/?next=secretquery", headers={"User-Agent": "secretagent"}
        )
    span.end()
    request = exporter.ended()[-1]
    assert request.name == "GET /setup/<link_code:code>/"
    assert "secret" not in request.to_json()


@pytest.mark.django_db
def test_a_refusal_is_noted_by_its_code(exporter, client, settings):
    settings.MIDDLEWARE = ["kernel.http.traced_requests.RouteOfRequest", *settings.MIDDLEWARE]
    span = begun(route="")
    with spans.active(span):
        client.get("/api/v1/keys")
    span.end()
    assert exporter.ended()[-1].attributes["error.type"] == "authentication_failed"


@pytest.mark.django_db
def test_a_statement_shows_placeholders_and_neither_parameters_nor_literals(exporter):
    with spans.traced_statements(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # outside any request: no span
    with spans.active(begun()), spans.traced_statements(), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM audit_exports WHERE format = %s OR format = 'sec''ret'", ["secret"])
    [span] = exporter.ended()
    assert span.name == "SELECT audit_exports"
    assert dict(span.attributes) == {
        "db.system.name": connection.vendor,
        "db.operation.name": "SELECT",
        "db.query.text": "SELECT id FROM audit_exports WHERE format = %s OR format = ?",
    }


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT '" + "s" * 3000 + "'", "SELECT ?"),
        ("S" * 2001, "S" * 2000),
        (b"SELECT 'secret'", ""),
    ],
)
@pytest.mark.django_db
def test_a_long_statement_is_cut_and_a_composed_one_is_left_out(exporter, statement, shown):
    with spans.active(begun()):
        about = {"connection": connection}
        assert spans._execute(lambda *_: "done", statement, None, False, about) == "done"
    [span] = exporter.ended()
    assert span.attributes["db.query.text"] == shown


@pytest.mark.django_db(transaction=True)
def test_a_failed_statement_shows_the_type_of_the_error_and_not_its_text(exporter):
    with (
        spans.active(begun()),
        spans.traced_statements(),
        connection.cursor() as cursor,
        pytest.raises(django.db.Error),
    ):
        cursor.execute(
            "SELECT secretcolumn FROM audit_exports".replace("secretcolumn", "%s::int"), ["secret"]
        )
    [span] = exporter.ended()
    assert not span.status.is_ok
    assert span.attributes["error.type"].endswith("Error")
    assert "secret" not in span.to_json()
    assert span.events == ()


def test_a_log_line_carries_the_ids_of_its_span(exporter):
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(level="INFO", log_format="json", service="canary", has_traces=True)
    root.handlers[0].stream = stream = io.StringIO()
    with spans.active(begun(SENT)):
        logging.getLogger("canary").info("within")
    logging.getLogger("canary").info("without")
    root.handlers, root.level = handlers, level
    within, without = map(json.loads, stream.getvalue().splitlines())
    assert within["trace.id"] == TRACE
    assert len(within["span.id"]) == 16
    assert "trace.id" not in without


# --- across threads


def test_a_bound_call_works_for_the_span_and_leaves_its_thread_without_one(exporter):
    found = []
    with spans.active(begun(SENT)):
        call = spans.bound(lambda: found.append(logs.trace_ids().get("trace.id")))
    thread = threading.Thread(target=lambda: (call(), found.append(logs.trace_ids())))
    thread.start()
    thread.join()
    assert found == [TRACE, {}]


@pytest.fixture
def task(monkeypatch, settings):
    """The task of exports; it raises if its job has an actor with the word."""
    settings.CC_TRACES = True

    def run(job, _progress):
        assert logs.trace_ids()
        raise ValueError("secret")

    monkeypatch.setattr(registry, "_tasks", {})
    jobs_registry.register("export", AuditExport, run)


@pytest.mark.django_db(transaction=True)
def test_a_job_begins_a_trace_that_names_the_request_that_submitted_it(exporter, task):
    job = AuditExport(format="csv", actor={"request_id": "request-1", "user_agent": "secret"})
    delivery.submit(job)
    assert running.run_next(lambda: False)
    span = next(span for span in exporter.ended() if span.name == "job export")
    assert dict(span.attributes) == {
        "ciphercanary.job.kind": "export",
        "ciphercanary.job.id": str(job.pk),
        "ciphercanary.job.attempt": 1,
        "http.request.id": "request-1",
        "error.type": "ValueError",
    }
    assert "secret" not in span.to_json()


# --- the export


class Stuck(SpanExporter):
    """A collector that does not respond until it is released."""

    def __init__(self):
        self.released, self.reached = threading.Event(), threading.Event()

    def export(self, _spans):
        self.reached.set()
        self.released.wait()
        return SpanExportResult.SUCCESS


def dropped(reason):
    return REGISTRY.get_sample_value("trace_spans_dropped_total", {"reason": reason}) or 0


def test_spans_beyond_the_queue_are_counted_and_no_one_waits_for_the_collector(monkeypatch, export_to):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    monkeypatch.setattr(span_export, "CLOSE_SECONDS", 0.05)
    stuck, before = export_to(Stuck()), dropped("queue_full")
    begun().end()
    assert stuck.reached.wait(10)
    for _ in range(10):
        begun().end()
    assert dropped("queue_full") - before == 6
    began = time.monotonic()
    spans.close()
    assert time.monotonic() - began < 5
    stuck.released.set()


def test_spans_that_the_collector_refuses_are_counted(export_to):
    class Refusing(SpanExporter):
        def export(self, _spans):
            return SpanExportResult.FAILURE

    before = dropped("not_delivered")
    export_to(Refusing())
    for _ in range(3):
        begun().end()
    spans.close()
    assert dropped("not_delivered") - before == 3
