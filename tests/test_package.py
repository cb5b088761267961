"""The package that ``pip install .`` builds: its contents, and the command without a clone."""

import re
import signal
import subprocess
import sys
import zipfile
from http.client import HTTPConnection

import pytest

from tests.product import PASSWORD, ROOT, clean_environment
from tests.services.processes import dies_with_parent, free_port
from tests.waiting import SOON, wait_until

pytestmark = pytest.mark.process

NOT_SHIPPED = re.compile(r"(tests|bench|docs|deploy|bin|var)/|.*\.(lock|toml)$")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [file] = folder.glob("ciphercanary-*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel):
    """The wheel in a folder of its own, next to the tests' packages."""
    site = wheel.parent / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        site,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    return site


def files_in(folder):
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}


def test_the_package_has_the_program_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as package:
        names = set(package.namelist())
    pages = {f"ciphercanary/{name}" for folder in ("templates", "static") for name in files_in(folder)}
    assert pages <= names
    assert {"kernel/migrations/0001_initial.py", "accounts/management/commands/create_user.py"} <= names
    assert [name for name in names if NOT_SHIPPED.match(name)] == []
    assert [name for name in names if name.endswith("scripts/ccverify")]


def test_the_installed_command_needs_no_clone(installed, tmp_path):
    """It runs in the clone's folder: neither its code nor its data may come from there."""
    environment = clean_environment() | {
        "PYTHONPATH": str(installed),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PORT": str(free_port()),
        "CC_ADMIN_PASSWORD": PASSWORD,
    }
    environment.pop("DATABASE_URL", None)
    command = installed / "bin" / "ciphercanary-server"
    server = subprocess.Popen(
        [command, "serve"],
        cwd=ROOT,
        env=environment,
        preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads are running yet
    )
    try:
        wait_until(lambda: status(environment["PORT"], "/readyz") == 200)
        home = tmp_path / ".local" / "share" / "ciphercanary"
        assert (home / "db.sqlite3").exists()
        assert status(environment["PORT"], "/login/") == 200
        listed = subprocess.run(
            [command, "manage"], env=environment, capture_output=True, text=True, check=True
        )
        assert "Usage: ciphercanary-server manage COMMAND" in listed.stdout
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(SOON) == 0
    assert not list(tmp_path.glob("ciphercanary-metrics-*"))


def status(port, path):
    connection = HTTPConnection("127.0.0.1", int(port), timeout=SOON)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def test_the_installed_verifier_runs(installed):
    done = subprocess.run(
        [installed / "bin" / "ccverify", "--help"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify-export" in done.stdout
