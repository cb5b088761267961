"""A real Prometheus scrapes every role of the running product, and evaluates every rule on what it finds."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from tests.architecture.dashboards import PROMETHEUS, metrics_in, rules
from tests.product import REDIS_URL, ROOT, Product, b64
from tests.services.processes import dies_with_parent, free_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("promtool")),
        reason="Prometheus is missing; install it (Debian, Ubuntu: apt-get install prometheus)",
    ),
    pytest.mark.skipif(not REDIS_URL, reason="the roles run apart only with PostgreSQL and Celery"),
]

CELERY = [sys.executable, "-m", "celery", "-A", "ciphercanary"]
ROLES = {
    "sequencer": [sys.executable, "manage.py", "run_sequencer"],
    "worker": [*CELERY, "worker"],
    "polling-worker": [sys.executable, "manage.py", "run_worker"],
    "beat": [*CELERY, "beat"],
}


@contextmanager
def running(command, folder, name, **environment):
    """The program, whose output goes to a file. At the end it must stop by itself after SIGTERM."""
    with (folder / name).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads run here
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """The addresses of the running roles, by job. The web server of ``bin/serve`` has a sequencer of its own."""
    folder = tmp_path_factory.mktemp("scrape")
    settings = {"CELERY_BROKER_URL": REDIS_URL, "CC_ANCHOR_FILE": str(folder / "anchor")}
    with ExitStack() as stack:
        product = stack.enter_context(Product(folder, CC_THROTTLE_ANONYMOUS="1/minute", **settings))
        found = {"ciphercanary-web": f"127.0.0.1:{product.port}"}
        for name, command in ROLES.items():
            port = free_port()
            environment = product.environment | {"CC_METRICS_PORT": str(port)}
            stack.enter_context(running(command, folder, name, **environment))
            found[f"ciphercanary-{name}"] = f"127.0.0.1:{port}"
        use(product)
        for at in found.values():
            wait_until(lambda at=at: responds(port_of(at), "/livez"))
        yield found


def use(product):
    """Cause a figure of each kind that exists only once something has happened."""
    token = product.token()
    key = product.send("POST", "/api/v1/keys", {"name": "scraped", "algorithm": "aes-256"}, token=token).json
    body = {"algorithm": "aes-256-gcm", "data": b64(b"hello"), "key_id": key["id"]}
    for _ in range(3):
        assert product.send("POST", "/api/v1/encrypt", body, token=token).status == 200
    change = f"/api/v1/keys/{key['id']}/disable"
    assert product.send("POST", change, {"reason": "test"}, token=token).status == 200
    assert product.send("POST", "/api/v1/encrypt", body, token=token).status == 409
    assert {product.send("GET", "/api/v1/keys", token="refused").status for _ in range(3)} == {401, 429}
    assert product.send("GET", "/livez", headers={"Padding": "x" * 10_000}).status == 431


@pytest.fixture(scope="module")
def prometheus(targets, tmp_path_factory):
    """The address of a Prometheus with the product's rules, which scrapes and evaluates every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    scraped = [{"job_name": job, "static_configs": [{"targets": [at]}]} for job, at in targets.items()]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{PROMETHEUS}/rules/*.yml"],
        "scrape_configs": scraped,
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, folder, "prometheus", PATH=os.environ["PATH"]):
        wait_until(lambda: responds(port, "/-/ready"))
        yield port


def responds(port, path):
    try:
        return get(port, path)[0] == 200
    except OSError:
        return False


def get(port, path):
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def port_of(address):
    return int(address.rpartition(":")[2])


def ask(port, path):
    status, body = get(port, f"/api/v1/{path}")
    assert status == 200, body
    return json.loads(body)["data"]


def test_every_target_is_up(prometheus, targets):
    def up():
        found = ask(prometheus, "targets")["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in found}

    wait_until(lambda: set(up().values()) == {"up"})
    print("\ntargets:", up())
    assert set(up()) == set(targets)


def test_every_metric_of_the_rules_arrives_and_every_rule_evaluates(prometheus):
    # Without a log target, there is no series of one.
    expressions = [rule["expr"] for rule in rules() if not rule.get("alert", "").startswith("LogTarget")]
    names = {name for expression in expressions for name in metrics_in(expression)}

    def missing():
        return sorted(name for name in names if not ask(prometheus, f"query?query={quote(name)}")["result"])

    try:
        wait_until(lambda: not missing())
    finally:
        print("\nmetrics:", len(names), "missing:", missing())
    evaluated = [rule for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert len(evaluated) == len(list(rules()))
    assert {(rule["health"], rule.get("lastError", "")) for rule in evaluated} == {("ok", "")}


def test_promtool_finds_a_loop_in_each_role(prometheus):
    query = "sum by (job, loop) (loop_last_turn_timestamp_seconds)"
    command = ["promtool", "query", "instant", f"http://127.0.0.1:{prometheus}", query]
    loops = {"web": "sequencer", "sequencer": "sequencer", "polling-worker": "schedule", "beat": "beat"}

    def found():
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def missing():
        text = found()
        return [
            job for job, loop in loops.items() if f'{{job="ciphercanary-{job}", loop="{loop}"}}' not in text
        ]

    try:
        wait_until(lambda: not missing())
    finally:
        print("\n" + found())


def test_each_role_is_alive_and_shows_its_own_figures(targets):
    for job in list(targets)[1:]:
        port = port_of(targets[job])
        assert get(port, "/livez") == (200, b"ok\n"), job
        text = get(port, "/metrics")[1].decode()
        assert "\nprocess_resident_memory_bytes " in text, job
        assert "\nactive_keys_total " not in text, job
