"""The running product when one of its dependencies fails, and when it returns."""

import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
import time_machine

from campaigns.crash.campaign import RECOVERY_SECONDS, add, find_violations, kill_database_under_load, restart
from campaigns.crash.load import CLIENTS, Acknowledged, Load
from tests.factories import KeyFactory
from tests.product import ADMIN, PASSWORD, Product
from tests.services.postgresql import PostgreSQL
from tests.services.redis import Redis
from tests.services.rights import folder_for_servers
from tests.waiting import wait_until

pytestmark = pytest.mark.process

LIMIT = 5  # sign-ins from one address
SHARED = 1.1  # seconds after which /health repeats a check
PROMPT = 4  # seconds for a probe, which may take one, on a busy machine
SOON = 15  # seconds within which a refusal must come, even if much is broken


@pytest.fixture
def servers():
    """A folder that PostgreSQL's own account can pass through."""
    with tempfile.TemporaryDirectory(prefix="faults-", dir=folder_for_servers()) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def new_key(product, token):
    body = {"name": f"fault-{uuid.uuid4().hex[:8]}", "algorithm": "aes-256"}
    response = product.send("POST", "/api/v1/keys", body, token=token)
    assert response.status == 201
    return response.json["id"]


def encrypt(product, token, key_id):
    body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key_id}
    return product.send("POST", "/api/v1/encrypt", body, token=token)


def create(product, token, number):
    return product.send(
        "POST", "/api/v1/keys", {"name": f"many-{number}", "algorithm": "aes-256"}, token=token
    )


# --- Redis


@pytest.mark.redis
def test_without_redis_the_api_goes_on_and_nothing_fails_open(tmp_path, servers):
    with (
        Redis(servers / "redis") as redis,
        Product(tmp_path, REDIS_URL=redis.url, CC_THROTTLE_AUTH=f"{LIMIT}/day") as product,
    ):
        token = product.token()
        key_id = new_key(product, token)
        assert product.send("GET", "/health").json["services"]["redis"] == "healthy"

        redis.stop()
        time.sleep(SHARED)
        health = product.send("GET", "/health")
        assert (health.status, health.json["status"]) == (200, "degraded")
        assert health.json["services"]["redis"] == "unhealthy"
        assert health.json["services"]["database"] == "healthy"
        assert encrypt(product, token, key_id).status == 200
        statuses = [sign_in_wrongly(product) for _ in range(LIMIT + 3)]
        assert statuses.count(429) >= 3
        assert set(statuses) == {401, 429}
        response = product.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD})
        assert (response.status, response.code) == (429, "throttled")
        assert int(response.headers["Retry-After"]) > 0
        assert product.send("GET", "/api/v1/keys", token=token).status == 200

        redis.start()
        wait_until(lambda: product.send("GET", "/health").json["status"] == "healthy", RECOVERY_SECONDS)


def sign_in_wrongly(product):
    began = time.monotonic()
    body = {"username": f"nobody-{uuid.uuid4().hex}", "password": "wrong battery staple"}
    status = product.send("POST", "/auth/login", body).status
    assert time.monotonic() - began < SOON
    return status


# --- PostgreSQL


@pytest.mark.postgresql
def test_postgresql_gone_is_503_and_it_is_found_again_by_itself(tmp_path, servers):
    everything = Acknowledged()
    with (
        PostgreSQL(servers / "postgresql", durable=True) as postgresql,
        Product(tmp_path, database=postgresql.url, CC_DB_POOL_TIMEOUT="0.3") as product,
    ):
        recovered = kill_database_under_load(product, postgresql, everything, changes=40, seed=3)
        assert recovered < RECOVERY_SECONDS
        assert find_violations(product, everything) == []

        token = product.token()
        key_id = new_key(product, token)
        assert encrypt(product, token, key_id).status == 200  # the keyring is warm
        postgresql.stop()
        cached = encrypt(product, token, key_id)  # everything is cached except its record
        assert (cached.status, cached.code) == (503, "audit_unavailable")
        assert_reveals_nothing(cached, product)
        for response in (
            product.send("GET", "/api/v1/keys", token=token),
            product.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD}),
            product.send("POST", "/auth/refresh", {"refresh_token": "x"}),
            product.send("GET", "/.well-known/jwks.json"),
        ):
            assert (response.status, response.code) == (503, "audit_unavailable")
            assert_reveals_nothing(response, product)
        for path in ("/health", "/readyz", "/metrics", "/livez"):
            began = time.monotonic()
            product.send("GET", path)
            assert time.monotonic() - began < PROMPT
        health, ready, page = (product.send("GET", path) for path in ("/health", "/readyz", "/login/"))
        assert (health.status, health.json["services"]["database"]) == (503, "unhealthy")
        assert ready.status == 503
        for response in (health, ready, page):
            assert_reveals_nothing(response, product)
        assert product.send("GET", "/livez").status == 200
        metrics = product.send("GET", "/metrics")
        assert (metrics.status, metrics.headers.get_content_type()) == (200, "text/plain")
        assert b"\nactive_keys_total NaN\n" in metrics.content
        assert b"\ndjango_http_requests_total_by_method_total" in metrics.content

        restart(postgresql)
        wait_until(lambda: product.send("GET", "/health").status == 200, RECOVERY_SECONDS)
        assert encrypt(product, token, key_id).status == 200


@pytest.mark.postgresql
def test_a_lost_standby_makes_writes_503_in_time_and_its_return_ends_that(tmp_path, servers):
    """PostgreSQL waits in each COMMIT for a synchronous standby, and there is none."""
    with (
        PostgreSQL(servers / "postgresql", durable=True) as postgresql,
        Product(tmp_path, database=postgresql.url, WEB_CONCURRENCY="1", CC_LOCK_WAIT_SECONDS="1") as product,
    ):
        token = product.token()
        key_id = new_key(product, token)
        asked = {
            "operation": lambda: encrypt(product, token, key_id),
            "change": lambda: create(product, token, uuid.uuid4().hex[:8]),
            "sign-in": lambda: product.send("POST", "/auth/login", {"username": ADMIN, "password": PASSWORD}),
        }
        assert asked["operation"]().status == 200
        postgresql.require_standby("*")
        wait_until(
            lambda: product.send("GET", "/readyz").status == 503, RECOVERY_SECONDS
        )  # without a request
        for ask in asked.values():
            began = time.monotonic()
            response = ask()
            assert (response.status, time.monotonic() - began < SOON) == (503, True)
            assert response.code in {"audit_unavailable", "outcome_unknown"}
        assert product.send("GET", "/api/v1/keys", token=token).status == 200
        verified = product.manage("verify_audit_log", seconds=SOON + RECOVERY_SECONDS)
        assert "The result was not recorded" in verified.stderr

        postgresql.require_standby("")
        wait_until(lambda: product.send("GET", "/readyz").status == 200, RECOVERY_SECONDS)
        for ask in asked.values():
            wait_until(lambda ask=ask: ask().status in {200, 201}, RECOVERY_SECONDS)
        assert product.manage("verify_audit_log").returncode == 0


def assert_reveals_nothing(response, product):
    text = response.content.lower()
    for word in (b"psycopg", b"pool", b"127.0.0.1", b"postgres", b"traceback", b"connection refused"):
        assert word not in text


@pytest.mark.postgresql
def test_while_a_table_is_locked_everything_gets_a_response_within_seconds(product):
    """More requests than threads: none may wait for as long as the other session locks the log."""
    token = product.token()
    key_id = new_key(product, token)
    asked = {
        "change": partial(new_key_status, product, token),
        "operation": lambda: encrypt(product, token, key_id).status,
        "refusal": lambda: product.send("GET", "/api/v1/keys").status,
        "health": lambda: product.send("GET", "/health").status,
    }
    with psycopg.connect(product.database) as blocker, ThreadPoolExecutor(16) as pool:
        blocker.execute("LOCK TABLE audit_bundles IN ACCESS EXCLUSIVE MODE")
        wait_until(lambda: asked["health"]() == 503, RECOVERY_SECONDS)  # it shares a result for a second
        responses = [(name, pool.submit(ask)) for _ in range(4) for name, ask in asked.items()]
        seen = {(name, response.result()) for name, response in responses}
        assert seen == {("change", 503), ("operation", 503), ("refusal", 401), ("health", 503)}
        assert product.send("GET", "/livez").status == 200
    wait_until(lambda: new_key_status(product, token) == 201, RECOVERY_SECONDS)


def new_key_status(product, token):
    return create(product, token, uuid.uuid4().hex[:8]).status


# --- the clock


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_clock_that_is_set_back_revives_no_expired_key(admin):
    from crypto_ops.deciding.services import perform_measured  # noqa: PLC0415
    from crypto_ops.encryption.services.messages import EncryptRequest  # noqa: PLC0415
    from kernel.crypto.algorithms import SEALING_MODES  # noqa: PLC0415 - beside the models
    from keys.errors import KeyNotActive  # noqa: PLC0415

    expires_at = datetime.now(UTC) + timedelta(seconds=4)
    key = KeyFactory(name="short-lived", expires_at=expires_at)
    request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"", key_id=key.id)
    assert perform_measured(request, admin.principal)
    time.sleep(4.1)
    # This process goes an hour back, but the decisive clock of the database does not.
    with time_machine.travel(expires_at - timedelta(hours=1)), pytest.raises(KeyNotActive):
        perform_measured(request, admin.principal)


@pytest.mark.database
def test_requests_get_503_while_the_log_cannot_be_written_and_succeed_afterwards(tmp_path):
    with Product(tmp_path) as product:
        everything = Acknowledged()
        with Load(product, product.token(), outlasts=True, seed=11) as load:
            load.wait_for(20)
            with product.without_inserts("audit_bundles"):
                wait_until(lambda: len(load.acknowledged.refusals) > CLIENTS, seconds=60)
            load.wait_for(load.acknowledged.changes + 20)
        add(everything, load.acknowledged)
        # Every response with a result is recorded, and every other one was 503.
        assert find_violations(product, everything) == []
        assert set(load.acknowledged.refusals) == {503}
