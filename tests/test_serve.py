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
from pathlib import Path

import pytest

from kernel import __version__
from kernel.home import UNFINISHED
from tests.output import only_error, records
from tests.product import (
    ADMIN,
    POSTGRESQL_URL,
    ROOT,
    START_SECONDS,
    Product,
    drop_database,
    prepared,
    programs,
)
from tests.services.processes import free_port
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.process

on_both_databases = pytest.mark.database

SETUP_LINK = re.compile(r"│ +http://127\.0\.0\.1:\d+(/setup/[\w-]{43}/) +│")
GRACE = 20  # seconds: the grace period for requests in flight
IN_THE_FOLDER = re.compile(
    r"kek-[0-9a-f]{8}\.key|secret-key|audit-head|(serve|supervisor|sequencer)\.lock|static|db\.sqlite3(-wal|-shm)?"
)


@pytest.fixture
def stopped(tmp_path):
    """A product that has run and was stopped."""
    product = Product(tmp_path)
    yield product
    drop_database(product.database)


def refusal(product):
    """The only error reported by a start that refuses."""
    done = product.run()
    assert done.returncode != 0
    assert done.stdout == ""
    line = only_error(done.stderr)
    assert line.startswith("bin/serve: ")
    return line.removeprefix("bin/serve: ")


def has_ended(product):
    """Whether neither a process nor a listener is left."""
    with socket.socket() as client:
        return not product.processes() and client.connect_ex(("127.0.0.1", product.port)) != 0


def content(product):
    """The contents of the tables of users, the root of trust, migrations and the log."""
    tables = ("users", "instance", "key_encryption_keys", "system_keys", "audit_logs", "django_migrations")
    return [product.query(f"SELECT * FROM {table} ORDER BY 1") for table in tables]  # noqa: S608 - fixed names


# --- the first start, and later ones


@pytest.mark.smoke
@on_both_databases
def test_an_installation_from_its_first_start_to_a_third(tmp_path):
    with Product(tmp_path, CC_ADMIN_PASSWORD="") as product:
        require_private_and_complete_folder(product)
        require_greeting(product)
        require_refusal_of_a_second_one(product)
        require_quick_stop_by_ctrl_c(product)
        product.start()
        require_one_valid_link(product)
        token = product.token()
        key = product.send("POST", "/api/v1/keys", {"name": "kept", "algorithm": "aes-256"}, token=token).json
        assert product.stop() == 0
        files = {
            path: path.read_bytes() for path in [*product.home.glob("kek-*"), product.home / "secret-key"]
        }
        before, links = content(product), SETUP_LINK.findall(product.stdout)

        product.environment["CC_ADMIN_PASSWORD"] = "a different battery staple"
        product.start()
        assert content(product) == before
        assert {path: path.read_bytes() for path in files} == files
        assert product.send("GET", f"/api/v1/keys/{key['id']}", token=token).json == key
        # The password of the environment creates the first account; it never resets one.
        assert SETUP_LINK.findall(product.stdout) == links
        assert product.token()
        response = product.send(
            "POST", "/auth/login", {"username": ADMIN, "password": "a different battery staple"}
        )
        assert response.status == 401
        assert product.stop() == 0
        require_start_records_without_link(product)


def require_start_records_without_link(product):
    """Nothing but the starts and the warnings of checks is in the log, and the link is on the terminal alone."""
    said = records(product.stderr)
    messages = [each["message"] for each in said if not each["message"].startswith("warning: ciphercanary.W")]
    assert {each["log.level"] for each in said if each["message"] in messages} == {"info"}
    assert {each["service.version"] for each in said} == {__version__}
    for begin in (
        f"CipherCanary {__version__} listens on ",
        "the sequencer continues",
        "the worker runs jobs",
    ):
        assert [message for message in messages if message.startswith(begin)], begin
    assert "setup" not in product.stderr


def require_private_and_complete_folder(product):
    paths = [path for path in product.home.rglob("*") if not path.name.startswith(UNFINISHED)]
    assert stat.S_IMODE(product.home.stat().st_mode) == 0o700
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # the sequencer replaces its file
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    names = {path.name for path in paths if path.parent == product.home}
    assert all(IN_THE_FOLDER.fullmatch(name) for name in names), names
    assert {"secret-key", "serve.lock", "static"} < names
    assert len([name for name in names if name.startswith("kek-")]) == 1
    assert ("db.sqlite3" in names) == (not POSTGRESQL_URL)


def require_greeting(product):
    [kek] = product.home.glob("kek-*.key")
    assert f"is running at http://127.0.0.1:{product.port} " in product.stdout
    assert str(kek) in product.stdout
    assert kek.read_text().strip() not in product.stdout
    assert len(SETUP_LINK.findall(product.stdout)) == 1
    assert product.send("GET", "/").headers["Location"] == "/setup/"


def require_refusal_of_a_second_one(product):
    with other_port(product):
        assert "another server" in refusal(product)
    assert product.responds()


def require_quick_stop_by_ctrl_c(product):
    with product.connect() as idle:
        idle.send("GET", "/livez")  # a client that keeps its connection open does not delay the shutdown
        began = time.monotonic()
        assert product.stop(signal.SIGINT, whole_group=True) == 0  # to the group, as a terminal sends it
        assert time.monotonic() - began < GRACE
    assert has_ended(product)
    assert not list(product.temporary.iterdir())


def require_one_valid_link(product):
    """Each start without an account and each command issues a link, which replaces the earlier ones."""
    first, second = SETUP_LINK.findall(product.stdout)
    assert product.send("GET", first).status == 404
    assert product.send("GET", second).status == 200
    third = product.manage("setup_link").stdout.strip().removeprefix(f"http://127.0.0.1:{product.port}")
    assert product.send("GET", second).status == 404
    done = product.send_form(third)
    assert (done.status, done.headers["Location"]) == (303, "/setup/first-key/")
    assert product.sign_in_to_api()["user"]["role"] == "admin"
    assert product.send("GET", third).status == 404
    assert product.manage("setup_link").returncode == 1


def test_with_a_password_in_the_environment_it_prints_no_link():
    assert SETUP_LINK.findall(prepared(is_on_sqlite=not POSTGRESQL_URL, has_demo=False).stdout) == []


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


def test_bin_manage_takes_a_relative_folder_as_the_callers(tmp_path):
    product = Product(tmp_path, database="", is_new=True)
    done = subprocess.run(
        [
            ROOT / "bin" / "manage",
            "shell",
            "-v0",
            "-c",
            "from django.conf import settings as s; print(s.CC_HOME)",
        ],
        cwd=tmp_path,
        env=product.environment | {"CC_HOME": "home"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(product.home)


@contextlib.contextmanager
def other_port(product):
    before = product.environment
    product.environment = before | {"PORT": str(free_port())}
    yield
    product.environment = before


# --- shutdown


def test_requests_in_flight_get_responses_whether_it_is_stopped_or_killed(tmp_path):
    with Product(tmp_path) as product:
        beside = {name: pid for name, pid in programs(product).items() if name != "gunicorn"}
        assert set(beside) == {"run_sequencer", "run_worker"}
        with in_flight(product) as ends:
            os.kill(product.process.pid, signal.SIGKILL)
            product.process.wait()
            process = product.launch()
            wait_while_it_runs(
                lambda product: "waiting up to 15 s for processes of an earlier" in product.stderr, product
            )
            assert product.processes() == {process.pid}  # those of the killed one have another session
            # The earlier one no longer listens.
            wait_while_it_runs(lambda product: not product.responds(), product)
            ends()
        wait_while_it_runs(Product.responds, product)

        beside = {name: pid for name, pid in programs(product).items() if name != "gunicorn"}
        with in_flight(product) as ends:
            os.kill(product.process.pid, signal.SIGTERM)
            wait_while_it_runs(lambda product: not product.responds(), product)
            assert beside.items() <= programs(product).items()  # the web server ends before they do
            ends()
        assert product.process.wait(SOON) == 0
        assert has_ended(product)


@contextlib.contextmanager
def in_flight(product):
    """A request of which the last byte is missing. The function that is yielded sends it and checks the response."""
    with socket.create_connection(("127.0.0.1", product.port)) as client:
        head = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
        client.sendall(head + b"{}")
        assert client.recv(4096).startswith(b"HTTP/1.1 415 ")  # the server has accepted the connection
        client.sendall(head + b"{")
        wait_while_it_runs(has_read_everything, product)

        def ends():
            client.sendall(b"}")
            assert client.recv(4096).startswith(b"HTTP/1.1 415 ")

        yield ends


def has_read_everything(product):
    """Whether nothing that was sent to the server waits in the kernel (/proc/net/tcp: the second half of tx:rx)."""
    ours = f"0100007F:{product.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return not any(row[1] == ours and row[3] == "01" and int(row[4].partition(":")[2], 16) for row in rows)


def test_a_program_that_dies_beside_the_web_server_is_restarted_and_the_end_of_the_server_ends_all(tmp_path):
    with Product(tmp_path) as product:
        before = programs(product)
        for name in ("run_sequencer", "run_worker"):
            os.kill(before[name], signal.SIGKILL)
        wait_while_it_runs(
            lambda product: len(programs(product).items() - before.items()) == len(before) - 1, product
        )
        assert programs(product)["gunicorn"] == before["gunicorn"]
        for name in ("run_sequencer", "run_worker"):
            assert f"{name} ended with code -9; it is started again in 1 s" in product.stderr
        assert product.responds()
        os.kill(before["gunicorn"], signal.SIGKILL)
        assert product.process.wait(SOON) != 0
        wait_until(lambda: has_ended(product))


@on_both_databases
def test_a_first_start_that_was_interrupted_goes_on(tmp_path):
    with contextlib.ExitStack() as stack:
        product = Product(tmp_path, is_new=True)
        stack.callback(product.__exit__)
        migrated = [kill_at(product, lambda product: product.home.exists())]
        product.launch()
        wait_while_it_runs(makes_tables, product)
        assert product.stop(signal.SIGINT, whole_group=True) != 0
        assert only_error(product.stderr) == "bin/serve: interrupted. Run it again to continue."
        assert has_ended(product)
        migrated.append(kill_at(product, makes_tables))
        migrated.append(kill_at(product, lambda product: list(product.home.glob("kek-*.key"))))
        (product.home / f"{UNFINISHED}secret").touch()  # the remains of a file that was being written
        os.utime(product.home / f"{UNFINISHED}secret", (0, 0))
        product.start()
        assert product.sign_in_to_api()["user"]["role"] == "admin"
        assert not (product.home / f"{UNFINISHED}secret").exists()
        assert len(list(product.home.glob("kek-*.key"))) == 1
        assert [each for each in migrated if each not in ([], migrations(product))] == []


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


def kill_at(product, moment):
    """Start it, kill it at the moment, and return the migrations that it has recorded."""
    product.launch()
    wait_while_it_runs(moment, product)
    product.kill()
    return migrations(product)


def wait_while_it_runs(is_reached, product):
    """Wait for the state; fail at once if bin/serve ends."""

    def holds():
        assert product.process.poll() is None, product.stderr
        return is_reached(product)

    wait_until(holds, START_SECONDS)


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
        ({"CC_PUBLIC_URL": "https://keys.example.org", "ALLOWED_HOSTS": "*"}, "ciphercanary.E007"),
        ({"CC_KEK": "one:c2hvcnQ="}, "Key-encryption key one is not 32 bytes"),
        ({"CC_ADMIN_PASSWORD": "short"}, "CC_ADMIN_PASSWORD"),
        ({"PORT": "a name"}, "PORT"),
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


def test_all_settings_that_are_wrong_are_named_in_one_line(tmp_path):
    wrong = {
        "CC_PUBLIC_URL": "keys.example.org",
        "CC_THROTTLE_AUTH": "lots",
        "CC_METRICS_NETWORKS": "everywhere",
        "WEB_CONCURRENCY": "2",
    }
    line = refusal(Product(tmp_path, database="", redis=False, is_new=True, **wrong))
    assert [number for number in range(1, 5) if f"ciphercanary.E00{number}: " not in line] == []


def test_a_database_that_does_not_respond(tmp_path):
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/absent"
    began = time.monotonic()
    line = refusal(Product(tmp_path, database=url, redis=False, CC_DB_POOL_TIMEOUT="1"))
    assert "Connection refused. Start PostgreSQL, or correct the host and port in DATABASE_URL." in line
    assert time.monotonic() - began < SOON


@on_both_databases
def test_a_database_of_a_newer_release_is_refused_with_its_version(stopped):
    later = "'2027-01-01 00:00:00+00:00'"
    for table, values in (
        ("django_migrations (app, name, applied)", f"'keys', '9999_later', {later}"),
        ("applied_releases (version, applied_at)", f"'9.1.0', {later}"),
    ):
        stopped.query(f"INSERT INTO {table} VALUES ({values})")  # noqa: S608 - constants
    before = content(stopped)
    assert refusal(stopped).startswith("ciphercanary.E019: The database needs version 9.1.0 or newer: ")
    done = stopped.manage("list_users")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CommandError: The database needs version 9.1.0 or newer: ")
    assert content(stopped) == before


def test_a_damaged_sqlite_file_is_named(tmp_path):
    product = Product(tmp_path, database="", redis=False, is_new=True)
    product.home.mkdir()
    product.sqlite_file.write_bytes(b"no database at all" * 500)
    assert f"file is not a database ({product.sqlite_file}). " in refusal(product)


# tests/kernel/test_kek.py covers other damages.
@pytest.mark.parametrize("damage", ["wrong", "missing", "open to others"])
def test_a_key_encryption_key_that_is_not_the_right_one(stopped, damage):
    [file] = stopped.home.glob("kek-*.key")
    before = content(stopped)
    DAMAGES[damage](file)
    assert file.stem.removeprefix("kek-") in refusal(stopped)
    assert content(stopped) == before
    assert list(stopped.home.glob("kek-*.key")) == ([] if damage == "missing" else [file])


DAMAGES = {
    "wrong": lambda file: file.write_text("A" * 43 + "="),
    "missing": lambda file: file.unlink(),
    "open to others": lambda file: file.chmod(0o644),
}
