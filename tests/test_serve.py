"""bin/serve from the outside: the first start, later starts, its refusals, and its shutdown."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time

import pytest

from kernel.home import UNFINISHED
from tests.product import (
    ADMIN,
    PASSWORD,
    POSTGRESQL_URL,
    ROOT,
    START_SECONDS,
    Failed,
    Product,
    drop_database,
    programs,
)
from tests.services.processes import free_port

pytestmark = pytest.mark.process

on_both_databases = pytest.mark.database

SETUP_LINK = re.compile(r"│ +http://127\.0\.0\.1:\d+(/setup/[\w-]{43}/) +│")
SOON = 18  # seconds: less than the grace period for requests in flight
IN_THE_FOLDER = re.compile(
    r"kek-[0-9a-f]{8}\.key|secret-key|audit-head|(serve|supervisor|sequencer)\.lock|static|db\.sqlite3(-wal|-shm)?"
)


@pytest.fixture(scope="module")
def first_start(tmp_path_factory):
    """A product at its first start, without CC_ADMIN_PASSWORD. Tests only read from it."""
    with Product(tmp_path_factory.mktemp("first"), CC_ADMIN_PASSWORD="") as product:
        yield product


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A product that has run and was stopped. Tests alter its folder, and restore their alterations."""
    with Product(tmp_path_factory.mktemp("stopped")) as product:
        assert product.stop() == 0
        yield product


def refusal(product):
    """The only line printed by a start that refuses."""
    done = product.run()
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # without the log
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("bin/serve: ")
    return lines[0].removeprefix("bin/serve: ")


def has_ended(product):
    """Whether neither a process nor a listener is left."""
    with socket.socket() as client:
        return not product.processes() and client.connect_ex(("127.0.0.1", product.port)) != 0


def content(product):
    """The contents of the tables of users, the root of trust, migrations and the log."""
    tables = ("users", "instance", "key_encryption_keys", "system_keys", "audit_logs", "django_migrations")
    return [product.query(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 - fixed names


# --- the first start


@on_both_databases
def test_the_data_folder_is_its_owners_alone(first_start):
    assert stat.S_IMODE(first_start.home.stat().st_mode) == 0o700
    for path in first_start.home.rglob("*"):
        if path.name.startswith(UNFINISHED):  # the sequencer's temporary file may disappear
            continue
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@on_both_databases
def test_the_data_folder_holds_what_it_should_and_nothing_else(first_start):
    names = {path.name for path in first_start.home.iterdir() if not path.name.startswith(UNFINISHED)}
    assert all(IN_THE_FOLDER.fullmatch(name) for name in names), names
    assert {"secret-key", "serve.lock", "static"} < names
    assert len([name for name in names if name.startswith("kek-")]) == 1
    assert ("db.sqlite3" in names) == (not POSTGRESQL_URL)


@on_both_databases
def test_it_says_where_it_serves_and_what_must_be_backed_up(first_start):
    [kek] = first_start.home.glob("kek-*.key")
    assert f"is running at http://127.0.0.1:{first_start.port} " in first_start.stdout
    assert str(kek) in first_start.stdout
    assert kek.read_text().strip() not in first_start.stdout


@on_both_databases
def test_it_prints_one_link_that_makes_the_first_administrator_once(tmp_path):
    with Product(tmp_path, CC_ADMIN_PASSWORD="") as product:
        [link] = SETUP_LINK.findall(product.stdout)
        assert product.send("GET", "/").headers["Location"] == "/setup/"
        done = product.send_form(link)
        assert (done.status, done.headers["Location"]) == (303, "/setup/first-key/")
        assert product.log_in()["user"]["role"] == "admin"
        assert product.send("GET", link).status == 404
        assert link.split("/")[2] not in product.stderr


@on_both_databases
def test_each_start_without_an_account_prints_a_link_of_its_own_and_a_command_another(tmp_path):
    with Product(tmp_path, CC_ADMIN_PASSWORD="") as product:
        assert product.stop() == 0
        product.start()
        first, second = SETUP_LINK.findall(product.stdout)
        assert product.send("GET", first).status == 404
        assert product.send("GET", second).status == 200
        third = product.manage("setup_link").stdout.strip().removeprefix(f"http://127.0.0.1:{product.port}")
        assert product.send("GET", second).status == 404
        assert product.send_form(third).status == 303
        assert product.manage("setup_link").returncode == 1


@on_both_databases
def test_with_a_password_in_the_environment_it_prints_no_link(stopped):
    assert SETUP_LINK.findall(stopped.stdout) == []


@on_both_databases
def test_it_logs_no_warning(first_start):
    assert first_start.stderr == ""


@on_both_databases
def test_a_second_one_on_the_same_folder_is_refused(first_start):
    with other_port(first_start):
        assert "another bin/serve" in refusal(first_start)
    assert first_start.answers()


@on_both_databases
def test_bin_manage_acts_on_the_same_data(first_start):
    done = first_start.manage("create_user", "otto", "--role", "operator", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert first_start.log_in("otto", PASSWORD)["user"]["role"] == "operator"


@on_both_databases
def test_bin_manage_says_in_one_line_that_nothing_was_served_yet(tmp_path):
    product = Product(tmp_path, is_new=True)
    try:
        done = product.manage("setup_link")
        assert done.returncode == 1
        assert done.stderr.startswith(
            ("CommandError: The database ", "CommandError: Cannot use the database: ")
        )
        assert done.stderr.count("\n") == 1
        assert "Start bin/serve once" in done.stderr
        assert "Traceback" in product.manage("setup_link", "--traceback").stderr
    finally:
        drop_database(product.database)


@on_both_databases
def test_bin_manage_takes_a_relative_folder_as_the_callers(first_start):
    environment = first_start.environment | {"CC_HOME": "home"}
    done = subprocess.run(
        [
            ROOT / "bin" / "manage",
            "shell",
            "-v0",
            "-c",
            "from django.conf import settings as s; print(s.CC_HOME)",
        ],
        cwd=first_start.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(first_start.home)


@contextlib.contextmanager
def other_port(product):
    before = product.environment
    product.environment = before | {"PORT": str(free_port())}
    yield
    product.environment = before


# --- later starts, and shutdown


@on_both_databases
def test_ctrl_c_ends_everything_and_the_next_start_has_all_data(tmp_path):
    with Product(tmp_path, CC_ADMIN_PASSWORD="") as product, product.connect() as idle:
        [link] = SETUP_LINK.findall(product.stdout)
        product.send_form(link)
        token = product.token()
        key = product.send("POST", "/api/v1/keys", {"name": "kept", "algorithm": "aes-256"}, token=token).json
        idle.send("GET", "/livez")  # a client that keeps its connection open does not delay the shutdown
        files = {
            path: path.read_bytes() for path in [*product.home.glob("kek-*"), product.home / "secret-key"]
        }

        began = time.monotonic()
        assert product.stop(signal.SIGINT, whole_group=True) == 0  # to the group, as a terminal sends it
        assert time.monotonic() - began < SOON
        assert has_ended(product)
        assert not list(product.temporary.iterdir())
        before = content(product)

        product.environment["CC_ADMIN_PASSWORD"] = "a different battery staple"
        product.start()
        assert content(product) == before
        assert {path: path.read_bytes() for path in files} == files
        assert product.send("GET", f"/api/v1/keys/{key['id']}", token=token).json == key
        # The password of the environment creates the first account; it never resets one.
        assert SETUP_LINK.findall(product.stdout) == [link]
        assert product.token()
        answer = product.send(
            "POST", "/auth/login", {"username": ADMIN, "password": "a different battery staple"}
        )
        assert answer.status == 401

        began = time.monotonic()
        assert product.stop(signal.SIGTERM) == 0  # to the parent, as a supervisor sends it
        assert time.monotonic() - began < SOON
        assert has_ended(product)
        assert product.stderr == ""


@on_both_databases
def test_a_request_in_flight_is_answered_before_the_end(tmp_path):
    with Product(tmp_path) as product, socket.create_connection(("127.0.0.1", product.port)) as client:
        token = product.token()
        body = b'{"bytes": 32}'
        head = f"POST /api/v1/random HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body[:5])
        time.sleep(0.3)
        os.kill(product.process.pid, signal.SIGTERM)
        time.sleep(0.3)
        client.sendall(body[5:])
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert product.process.wait(SOON) == 0


@on_both_databases
def test_the_web_server_ends_before_what_works_for_it(tmp_path):
    with Product(tmp_path) as product, socket.create_connection(("127.0.0.1", product.port)) as client:
        beside = {name: pid for name, pid in programs(product).items() if name != "gunicorn"}
        assert set(beside) == {"run_sequencer", "run_worker"}
        client.sendall(b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(0.3)
        os.kill(product.process.pid, signal.SIGTERM)
        time.sleep(0.5)  # the request is in flight
        assert beside.items() <= programs(product).items()
        client.sendall(b"}")
        assert client.recv(4096).startswith(b"HTTP/1.1 415 ")
        assert product.process.wait(SOON) == 0
        assert has_ended(product)


@on_both_databases
@pytest.mark.parametrize("name", ["run_sequencer", "run_worker"])
def test_what_dies_beside_the_web_server_is_started_again(tmp_path, name):
    with Product(tmp_path) as product:
        before = programs(product)
        os.kill(before[name], signal.SIGKILL)
        wait_until(lambda product: programs(product).get(name, before[name]) != before[name], product)
        after = programs(product)
        assert {each for each in before if before[each] != after[each]} == {name}
        assert f"{name} ended with code -9; it is started again in 1 s" in product.stderr
        assert product.answers()
        assert product.stop() == 0


def test_when_the_web_server_is_killed_everything_ends(tmp_path):
    with Product(tmp_path) as product:
        os.kill(programs(product)["gunicorn"], signal.SIGKILL)
        assert product.process.wait(SOON) != 0
        wait_until_ended(product)


def test_with_a_broker_it_runs_no_worker(tmp_path):
    with Product(tmp_path, CELERY_BROKER_URL=f"redis://127.0.0.1:{free_port()}/0") as product:
        assert set(programs(product)) == {"run_sequencer", "gunicorn"}
        assert product.stop() == 0


@on_both_databases
def test_after_it_is_killed_a_start_waits_for_its_servers_to_end(tmp_path):
    with Product(tmp_path) as product, socket.create_connection(("127.0.0.1", product.port)) as client:
        client.sendall(b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(0.3)
        os.kill(product.process.pid, signal.SIGKILL)
        product.process.wait()
        process = product.launch()
        wait_until(
            lambda product: "waiting up to 15 s for processes of an earlier" in product.stderr, product
        )
        assert product.processes() == {process.pid}  # the request is in flight
        wait_until(lambda product: not product.answers(), product)  # the earlier web server no longer listens
        client.sendall(b"}")
        assert client.recv(4096).startswith(b"HTTP/1.1 415 ")
        client.close()
        wait_until(Product.answers, product)
        assert product.stop() == 0


def wait_until_ended(product):
    deadline = time.monotonic() + SOON
    while not has_ended(product):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("moment", ["at once", "while it makes tables", "at the end"])
@on_both_databases
def test_a_first_start_that_was_killed_goes_on(tmp_path, moment):
    with contextlib.ExitStack() as stack:
        product = Product(tmp_path, is_new=True)
        stack.callback(product.__exit__)
        product.launch()
        wait_until(MOMENTS[moment], product)
        time.sleep(0.2)  # in the middle of that step
        product.kill()
        migrated = migrations(product)
        (product.home / f"{UNFINISHED}secret").touch()  # the remains of a file that was being written
        product.start()
        assert product.log_in()["user"]["role"] == "admin"
        assert not (product.home / f"{UNFINISHED}secret").exists()
        assert len(list(product.home.glob("kek-*.key"))) == 1
        assert migrated in ([], migrations(product))


@on_both_databases
def test_ctrl_c_during_the_first_start_is_one_line(tmp_path):
    with contextlib.ExitStack() as stack:
        product = Product(tmp_path, is_new=True)
        stack.callback(product.__exit__)
        product.launch()
        wait_until(MOMENTS["while it makes tables"], product)
        assert product.stop(signal.SIGINT, whole_group=True) != 0
        assert product.stderr == "bin/serve: interrupted. Run it again to continue.\n"
        assert has_ended(product)


def migrations(product):
    """The recorded migrations, or [] if their table does not exist yet."""
    tables = "pg_tables WHERE tablename" if product.database else "sqlite_master WHERE name"
    if product.query(f"SELECT count(*) FROM {tables} = 'django_migrations'") == [(0,)]:  # noqa: S608 - fixed names
        return []
    return product.query("SELECT app, name FROM django_migrations ORDER BY id")


def makes_tables(product):
    if product.database:
        return product.query("""SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                                WHERE mode = 'AccessExclusiveLock' AND datname = current_database()""")
    if not product.sqlite_file.with_name("db.sqlite3-wal").exists():  # the database is being created
        return False
    with contextlib.closing(sqlite3.connect(product.sqlite_file, timeout=0, autocommit=True)) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # it is locked
            return True
        return False


MOMENTS = {
    "at once": lambda product: product.home.exists(),
    "while it makes tables": makes_tables,
    "at the end": lambda product: list(product.home.glob("kek-*.key")),
}


def wait_until(is_reached, product):
    deadline = time.monotonic() + START_SECONDS
    while not is_reached(product):
        assert product.process.poll() is None, product.stderr
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- refusals


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        product = Product(tmp_path, database="", is_new=True, PORT=str(listener.getsockname()[1]))
        line = refusal(product)
    assert "port" in line
    assert "in use" in line
    assert not list(product.home.glob("kek-*"))
    assert not product.sqlite_file.exists()


@pytest.mark.parametrize("place", ["home", "home/below"])
def test_a_data_folder_that_cannot_be_one(tmp_path, place):
    (tmp_path / "home").write_text("a file in the way")
    product = Product(tmp_path, database="", CC_HOME=str(tmp_path / place))
    line = refusal(product)
    assert str(tmp_path / place) in line
    assert "CC_HOME" in line
    assert (tmp_path / "home").read_text() == "a file in the way"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WEB_CONCURRENCY": "2"}, "ciphercanary.E004"),
        ({"CC_THROTTLE_AUTH": "lots"}, "ciphercanary.E002"),
        ({"CC_METRICS_NETWORKS": "everywhere"}, "ciphercanary.E003"),
        ({"CC_PUBLIC_URL": "keys.example.org"}, "ciphercanary.E001"),
        ({"CC_PUBLIC_URL": "https://keys.example.org", "ALLOWED_HOSTS": "*"}, "ciphercanary.E007"),
        ({"CC_KEK": "one:c2hvcnQ="}, "Key-encryption key one is not 32 bytes"),
        ({"CC_ADMIN_PASSWORD": "short"}, "CC_ADMIN_PASSWORD"),
        ({"PORT": "a door"}, "PORT"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        (
            {"DATABASE_URL": "postgresql://u@h/n", "CC_DB_POOL_TIMEOUT": "0"},
            "CC_DB_POOL_TIMEOUT must be from 0.1",
        ),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3"}, "DATABASE_URL"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_be_kept(tmp_path, settings, words):
    product = Product(tmp_path, database="", redis=False, is_new=True, **settings)
    assert words in refusal(product)


def test_a_database_that_does_not_answer(tmp_path):
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/absent"
    began = time.monotonic()
    line = refusal(Product(tmp_path, database=url, redis=False, CC_DB_POOL_TIMEOUT="1"))
    assert "Connection refused. Start PostgreSQL, or correct the host and port in DATABASE_URL." in line
    assert time.monotonic() - began < SOON


def test_a_damaged_sqlite_file_is_named(tmp_path):
    product = Product(tmp_path, database="", redis=False, is_new=True)
    product.home.mkdir()
    product.sqlite_file.write_bytes(b"no database at all" * 500)
    assert f"file is not a database ({product.sqlite_file}). " in refusal(product)


@on_both_databases
@pytest.mark.parametrize("damage", ["wrong", "missing", "malformed", "not even text", "open to others"])
def test_a_key_encryption_key_that_is_not_the_right_one(stopped, damage):
    [file] = stopped.home.glob("kek-*.key")
    right, before = file.read_bytes(), content(stopped)
    try:
        DAMAGES[damage](file)
        line = refusal(stopped)
    finally:
        file.write_bytes(right)
        file.chmod(0o600)
    assert file.stem.removeprefix("kek-") in line
    assert content(stopped) == before
    assert len(list(stopped.home.glob("kek-*.key"))) == 1


DAMAGES = {
    "wrong": lambda file: file.write_text("A" * 43 + "="),
    "missing": lambda file: file.unlink(),
    "malformed": lambda file: file.write_text("not base64!"),
    "not even text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "open to others": lambda file: file.chmod(0o644),
}


@on_both_databases
def test_the_right_key_encryption_key_serves_again(stopped):
    try:
        stopped.start()
    except Failed as failed:
        pytest.fail(str(failed))
    assert stopped.log_in()
    assert stopped.stop() == 0
