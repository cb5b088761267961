"""The running product's health, metrics and other endpoints beside the API, and the headers of every response."""

import json
import re
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kernel import __version__
from tests.product import ADMIN, PASSWORD, POSTGRESQL_URL, REDIS_URL, Product

pytestmark = pytest.mark.process
on_both_databases = pytest.mark.database

SHARED = 1.1  # seconds after which a check is repeated
SOON = 60  # seconds
OUTSIDE = {"X-Forwarded-For": "198.51.100.7"}
UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


@pytest.fixture(scope="module")
def admin_token(product):
    return product.token()


@pytest.fixture(scope="module")
def tokens(product, admin_token):
    """Roles by their token; "" is an anonymous client."""
    return {
        "admin": admin_token,
        "auditor": product.create_user(f"aude-{uuid.uuid4().hex[:6]}", "auditor"),
        "developer": product.create_user(f"dora-{uuid.uuid4().hex[:6]}", "developer"),
        "": "",
    }


# --- health


@on_both_databases
def test_health_has_the_specifications_shape(product):
    response = product.send("GET", "/health")
    assert response.status == 200
    assert response.headers.get_content_type() == "application/json"
    body = response.json
    at = datetime.fromisoformat(body.pop("timestamp"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert body == {
        "status": "healthy",
        "services": {
            "database": "healthy",
            "audit": "healthy",
            "sequencer": "healthy",
            "audit_alarms": "healthy",
            "key_encryption_key": "healthy",
            "redis": "healthy" if REDIS_URL else "not_configured",
        },
    }


def test_the_probes_report_alive_ready_and_the_version(product):
    assert (product.send("GET", "/livez").status, product.send("GET", "/livez").content) == (200, b"ok\n")
    assert (product.send("GET", "/readyz").status, product.send("GET", "/readyz").content) == (
        200,
        b"ready\n",
    )
    assert product.send("GET", "/version").json == {"name": "ciphercanary", "version": __version__}


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/version", "/metrics"])
def test_the_probes_accept_only_reads(product, path):
    assert product.send("HEAD", path).status == 200
    assert product.send("HEAD", path).content == b""
    for method in ("POST", "PUT", "DELETE"):
        assert product.send(method, path, {}).status in {403, 405}


FAILING = {
    "audit_bundles": {"audit", "sequencer"},
    "audit_trail": {"audit"},
    "security_epoch": {"audit"},
    "key_encryption_keys": {"key_encryption_key"},
}


@on_both_databases
def test_a_failing_dependency_makes_it_503_in_fixed_words(tmp_path):
    # The altered schema may raise an audit alarm, and the product of the other tests must have none.
    with Product(tmp_path) as product:
        for table, failing in FAILING.items():
            with product.without_table(table):
                time.sleep(SHARED)
                health, ready = product.send("GET", "/health"), product.send("GET", "/readyz")
                assert product.send("GET", "/livez").status == 200
            assert health.status == 503
            assert health.json["status"] == "unhealthy"
            unhealthy = {name for name, word in health.json["services"].items() if word == "unhealthy"}
            assert (table, unhealthy) == (table, failing)
            assert set(health.json) == {"status", "timestamp", "services"}
            for text in (health.content, ready.content):
                assert table.encode() not in text
                assert b"Error" not in text
            assert (ready.status == 503) == (failing == {"key_encryption_key"})
        [(number,)] = product.query("SELECT max(id) FROM django_migrations WHERE app = 'keys'")
        product.query(f"UPDATE django_migrations SET app = 'away' WHERE id = {number}")  # noqa: S608 - a number
        try:
            time.sleep(SHARED)
            response = product.send("GET", "/readyz")
        finally:
            product.query(f"UPDATE django_migrations SET app = 'keys' WHERE id = {number}")  # noqa: S608
        assert (response.status, response.content) == (503, b"not ready: migrations\n")
        time.sleep(SHARED)
        assert product.send("GET", "/health").status == 200
        assert product.send("GET", "/readyz").status == 200


# --- metrics


@on_both_databases
def test_metrics_are_open_to_loopback(product):
    product.send("GET", "/api/v1/keys", token="refused")
    text = product.send("GET", "/metrics").content.decode()
    counted = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if line[0] != "#"}
    assert {
        "active_keys_total",
        "token_refusals_total",
        "audit_lag_seconds",
        "audit_pending_entries",
        "audit_tree_size",
        "audit_checkpoint_size",
        "audit_batch_size_count",
        "audit_commit_seconds_count",
        "jobs",
        "django_http_requests_total_by_method_total",
        "django_http_responses_total_by_status_total",
    } <= counted


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("auditor", 200), ("developer", 403), ("", 401)]
)
def test_metrics_outside_the_networks_require_a_token_that_may_read_the_system(product, tokens, role, status):
    until = time.monotonic() + SOON
    while (response := product.send("GET", "/metrics", token=tokens[role], headers=OUTSIDE)).status == 503:
        assert time.monotonic() < until  # a check of the token takes longer than a second on a busy machine
    assert response.status == status
    if status != 200:
        assert response.headers.get_content_type() == "application/problem+json"


def test_metrics_have_durations_in_seconds_and_no_label_with_an_id_a_name_or_an_address(product, admin_token):
    key = product.send(
        "POST",
        "/api/v1/keys",
        {"name": f"metric-{uuid.uuid4().hex[:8]}", "algorithm": "aes-256"},
        token=admin_token,
    ).json
    body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key["id"]}
    assert product.send("POST", "/api/v1/encrypt", body, token=admin_token, headers=OUTSIDE).status == 200
    product.send("GET", f"/api/v1/keys/{key['id']}", token=admin_token)
    product.send("GET", f"/api/v1/keys/{uuid.uuid4()}", token=admin_token)
    product.send("GET", "/nowhere/path-marker")
    product.send("POST", "/auth/login", {"username": "name-marker", "password": "x" * 20})
    text = product.send("GET", "/metrics").content.decode()
    assert 'encryption_operations_total{algorithm="aes-256-gcm",status="success"}' in text
    labels = "".join(re.findall(r"\{.*?\}", text))
    assert not UUID.search(labels)
    for word in (key["name"], "path-marker", "name-marker", "198.51.100.7", "nowhere"):
        assert word not in labels
    # A duration that is measured wrongly is the reading of a clock: days or years.
    sums = {line for line in text.splitlines() if re.match(r"\w+_seconds_sum\b", line)}
    assert {line.partition("_sum")[0] for line in sums} >= {
        "audit_commit_seconds",
        "encryption_duration_seconds",
    }
    assert all(0 <= float(line.rpartition(" ")[2]) < 3600 for line in sums)


# --- headers of every response


def test_no_page_has_inline_script_or_style(product):
    page = product.send("GET", "/login/").content.decode()
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:", page, re.IGNORECASE)


@pytest.mark.parametrize("path", ["/livez", "/api/v1/keys", "/nowhere", "/metrics"])
def test_the_senders_request_id_is_echoed_if_it_is_safe_in_a_log(product, path):
    assert (
        product.send("GET", path, headers={"X-Request-ID": "mine.1-A_z"}).headers["X-Request-ID"]
        == "mine.1-A_z"
    )
    for refused in ("two words", "x" * 65, "<b>", "a;b", "caf\u00e9"):
        echoed = product.send("GET", path, headers={"X-Request-ID": refused}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", echoed)


def test_a_problem_names_the_request_id_of_its_header(product):
    response = product.send("GET", "/api/v1/keys")
    assert response.json["request_id"] == response.headers["X-Request-ID"]


# --- the origin of a request


def logged_address(product, admin_token, raw_headers):
    """The client's address in the audit entry of a sign-in that was sent with these header lines."""
    mark = uuid.uuid4().hex
    body = json.dumps({"username": ADMIN, "password": PASSWORD})
    head = (
        "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"User-Agent: {mark}\r\nContent-Length: {len(body)}\r\n"
        + "".join(f"{line}\r\n" for line in raw_headers)
    )
    with socket.create_connection(("127.0.0.1", product.port)) as client:
        client.sendall(f"{head}\r\n{body}".encode())
        while client.recv(65536):
            pass
    entries = product.send("GET", "/api/v1/audit/logs?limit=100", token=admin_token).json["results"]
    [address] = {entry["client_ip"] for entry in entries if entry["user_agent"] == mark}
    return address


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], "127.0.0.1"),
        (["X-Forwarded-For: 203.0.113.1"], "203.0.113.1"),
        (["X-Forwarded-For: 6.6.6.6, 203.0.113.2"], "203.0.113.2"),
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.3"], "203.0.113.3"),
        (["X-Forwarded-For: 203.0.113.4", "X_Forwarded_For: 6.6.6.6"], "203.0.113.4"),
        (["X_Forwarded_For: 6.6.6.6"], "127.0.0.1"),
        (["Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6"], "127.0.0.1"),
    ],
)
def test_the_log_shows_the_address_that_the_trusted_proxy_saw(product, admin_token, lines, address):
    assert logged_address(product, admin_token, lines) == address


# --- limits of one process


@pytest.mark.skipif(not POSTGRESQL_URL, reason="SQLite does not count its connections")
def test_many_clients_share_as_many_connections_as_there_are_threads(product, admin_token):
    def read_often(_):
        with product.connect() as client:
            return [client.send("GET", "/api/v1/keys?limit=1", token=admin_token).status for _ in range(5)]

    seen = []
    of_the_product = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    with psycopg.connect(product.database, autocommit=True) as session, ThreadPoolExecutor(64) as pool:
        responses = [pool.submit(read_often, number) for number in range(64)]
        while not all(response.done() for response in responses):
            seen += session.execute(of_the_product).fetchone()
    assert {status for response in responses for status in response.result()} == {200}
    # The web server has CC_DB_POOL_MAX and the connection of the fast path; the worker two jobs, their schedule and
    # leases; the sequencer its own two. One connection for each client would be more than 64.
    assert max(seen) <= (18 + 1) + (2 + 2) + 2
