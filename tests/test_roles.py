"""``ciphercanary-server ROLE`` from the outside: its parts as separate processes, and what each refuses."""

import base64
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from ciphercanary.server import preparation, programs, roles
from ciphercanary.server.starting import CannotStart
from tests.output import only_error
from tests.product import ROOT, START_SECONDS, Product, b64, drop_database, program_of
from tests.services.processes import dies_with_parent
from tests.test_serve import in_flight
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.postgresql

WRONG_KEK = "wrong:" + base64.b64encode(bytes(32)).decode()
PARTS = {"web": "gunicorn", "sequencer": "run_sequencer", "worker": "run_worker"}


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """An installation that was prepared and does not run."""
    product = Product(tmp_path_factory.mktemp("roles"))
    yield product
    drop_database(product.database)


def command(role):
    return [sys.executable, "-m", "ciphercanary.server", role]


def launch(product, role, **environment):
    with (product.folder / role).open("ab") as output:
        return subprocess.Popen(
            command(role),
            cwd=ROOT,
            env=product.environment | environment,
            stdout=output,
            stderr=output,
            preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads are running yet
        )


def refusal(product, role, **environment):
    """The only error of a role that does not start."""
    done = subprocess.run(
        command(role),
        cwd=ROOT,
        env=product.environment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    line = only_error(done.stderr)
    assert line.startswith(f"ciphercanary-server {role}: ciphercanary.E0")
    return line.removeprefix(f"ciphercanary-server {role}: ciphercanary.")


def test_the_help_lists_every_role(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ciphercanary-server", "--help"])
    roles.main()
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert listed == {*roles.ROLES, "manage"}


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["web", "--port"]])
def test_unknown_arguments_start_nothing(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["ciphercanary-server", *arguments])
    with pytest.raises(SystemExit, match="2"):
        roles.main()
    assert capsys.readouterr().err.count("\n") == 1


def test_with_a_broker_celery_runs_the_jobs(settings):
    settings.CELERY_BROKER_URL = "redis://host:6379/1"
    assert programs.worker()[1:] == ["-m", "celery", "--quiet", "-A", "ciphercanary", "worker"]
    assert programs.beat()[1:] == ["-m", "celery", "--quiet", "-A", "ciphercanary", "beat"]
    settings.CELERY_BROKER_URL = ""
    assert programs.worker()[1:] == ["-m", "ciphercanary.manage", "run_worker", "--skip-checks"]
    with pytest.raises(CannotStart, match=r"E014: beat is the schedule of Celery.*Set CELERY_BROKER_URL"):
        programs.beat()


def test_relative_paths_stay_those_of_the_caller(monkeypatch, tmp_path):
    """The roles run in the folder of the code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC_HOME", "data")
    monkeypatch.setenv("CC_KEK_FILE", "kek")
    monkeypatch.setenv("CC_ANCHOR_FILE", "")
    roles._leave_folder()
    assert Path.cwd() == ROOT
    assert os.environ["CC_HOME"] == str(tmp_path / "data")
    assert os.environ["CC_KEK_FILE"] == str(tmp_path / "kek")
    assert os.environ["CC_ANCHOR_FILE"] == ""


@pytest.mark.process
def test_the_parts_work_together_as_separate_processes(product):
    temporary = product.folder / "temporary"
    temporary.mkdir()
    running = {role: launch(product, role, TMPDIR=str(temporary)) for role in PARTS}
    product.process = running["web"]
    try:
        wait_until(product.responds, START_SECONDS)
        assert {role: program_of(process.pid) for role, process in running.items()} == PARTS
        token = product.token()
        key = product.send(
            "POST", "/api/v1/keys", {"name": "parts", "algorithm": "aes-256"}, token=token
        ).json
        body = {"algorithm": "aes-256-gcm", "data": b64(b"secret"), "key_id": key["id"]}
        assert product.send("POST", "/api/v1/encrypt", body, token=token).status == 200
        wait_until(lambda: product.query("SELECT count(*) FROM audit_bundles") == [(0,)])
        assert product.send("GET", "/health").json["status"] == "healthy"
        names = product.query(
            "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
        )
        assert {f"ciphercanary {role}" for role in PARTS} <= {name for (name,) in names}
        assert "CC_ADMIN_PASSWORD" not in environment_of(running["web"].pid)
        assert len(list(temporary.glob("ciphercanary-metrics-*"))) == 1
        with in_flight(product) as ends:
            running["web"].send_signal(signal.SIGTERM)
            wait_until(lambda: not product.responds())
            ends()
        for role in PARTS:
            running[role].terminate()
            assert running[role].wait(SOON) == 0, (product.folder / role).read_text()
        assert list(temporary.glob("ciphercanary-metrics-*")) == []
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def environment_of(pid):
    with open(f"/proc/{pid}/environ") as file:  # noqa: PTH123 - a pathname of the kernel
        return file.read()


@pytest.mark.process
def test_preparations_run_one_after_the_other(tmp_path):
    """Each has its own data folder, as on two machines."""
    product = Product(tmp_path, is_new=True)
    kek = {"CC_KEK": f"one:{base64.b64encode(os.urandom(32)).decode()}"}
    with contextlib.ExitStack() as stack:
        stack.callback(drop_database, product.database)
        with psycopg.connect(product.database, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [preparation.LOCK])
            running = [launch(product, "prepare", CC_HOME=str(tmp_path / name), **kek) for name in ("a", "b")]
            for process in running:
                stack.callback(process.kill)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_until(lambda: connection.execute(waiting).fetchone() == (2,), START_SECONDS)
            assert product.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
        assert [process.wait(START_SECONDS) for process in running] == [0, 0], (
            tmp_path / "prepare"
        ).read_text()
        assert product.query("SELECT count(*) FROM key_encryption_keys") == [(1,)]
        assert product.query("SELECT count(*) FROM users") == [(1,)]


@pytest.mark.process
@pytest.mark.parametrize(
    ("role", "environment", "words"),
    [
        ("web", {"CC_KEK": WRONG_KEK, "CC_HOME": "empty"}, "E012: Key-encryption key"),
        ("sequencer", {"DATABASE_URL": "sqlite:////nowhere"}, "E014: SQLite supports only"),
        ("web", {"SECRET_KEY": "short"}, "E006: SECRET_KEY is shorter"),
        ("web", {"CC_HOME": "empty"}, "E008: SECRET_KEY is neither"),
        ("worker", {"SECRET_KEY_FILE": "/nowhere/at/all"}, "E010: SECRET_KEY_FILE names a file"),
        (
            "web",
            {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/absent"},
            "E011: cannot use the database",
        ),
        ("web", {"CC_STATIC_ROOT": "empty"}, "E013: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else value,
)
def test_a_role_that_cannot_start_gives_one_line_with_an_id_and_a_remedy(product, role, environment, words):
    empty = {"CC_HOME": str(product.folder / "empty"), "CC_STATIC_ROOT": str(product.folder / "empty")}
    environment = {name: empty[name] if value == "empty" else value for name, value in environment.items()}
    if "CC_KEK" in environment:
        environment["SECRET_KEY"] = "s" * 50
    line = refusal(product, role, CC_DB_POOL_TIMEOUT="1", **environment)
    assert line.startswith(words)
    assert any(verb in line for verb in ("Set ", "Restore ", "Check ", "Start ", "Run ", "Leave "))


@pytest.mark.process
def test_a_database_without_tables_is_not_prepared(tmp_path):
    product = Product(tmp_path, is_new=True, SECRET_KEY="s" * 50)
    try:
        assert refusal(product, "web").startswith(
            "E013: the database lacks tables of this version. Start bin/serve once"
        )
        assert product.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    finally:
        drop_database(product.database)
