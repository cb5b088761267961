import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [path for path in sorted((ROOT / "bin").iterdir()) if not path.name.startswith("_")]
VERIFIER = ROOT / "bin" / "ccverify"  # a standalone Python program, tested in tests/audit/test_ccverify.py
CHECKS = sorted((ROOT / "deploy" / "checks").iterdir())
SCRIPTS = [*(path for path in COMMANDS if path != VERIFIER), *CHECKS, ROOT / ".ci" / "run"]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
WRAPPER = [sys.executable, "-m", "tests.services"]
WITHOUT_SERVICES = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
GIVEN = {"DATABASE_URL": "postgresql://elsewhere:5/named", "REDIS_URL": "redis://elsewhere:6/0"}

PRINT_SERVICES = """
import json, os, psycopg, redis
database, cache = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
with psycopg.connect(database) as connection:
    query = "SELECT current_database(), current_setting('data_directory')"
    name, folder = connection.execute(query).fetchone()
assert name == "ciphercanary" and redis.from_url(cache).ping()
print(json.dumps([folder, database, cache]), flush=True)
"""


def locked(path):
    """Return the lines of a lock file as {name: (version, hashes)}."""
    text = path.read_text().replace("\\\n", " ")
    requirements = {}
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line)
        parsed = Requirement(requirement)
        [specifier] = parsed.specifier
        assert specifier.operator == "=="
        requirements[canonicalize_name(parsed.name)] = (specifier.version, {each.strip() for each in hashes})
    return requirements


def ports(urls):
    return [urlsplit(url).port for url in urls]


def is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def is_running(pid):
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_executable_strict_bash(script):
    lines = script.read_text().splitlines()

    assert script.stat().st_mode & stat.S_IXUSR
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    subprocess.run(["bash", "-n", script], check=True)


def test_the_commands_of_the_readers_guide_exist():
    assert {"serve", "manage", "test", "lint", "format", "lock"} <= {path.name for path in COMMANDS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_index_and_hashes_every_file(lock):
    text = lock.read_text()

    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", text, re.MULTILINE)
    assert all(hashes for _, hashes in locked(lock).values())


def test_the_development_lock_holds_the_runtime_lock():
    assert locked(ROOT / "requirements.lock").items() <= locked(ROOT / "requirements-dev.lock").items()


@pytest.mark.parametrize(
    ("group", "lock"),
    [
        (None, "requirements.lock"),
        ("dev", "requirements-dev.lock"),
        ("fast", "requirements-fast.lock"),
        ("build", "requirements-build.lock"),
        ("bench", "requirements-bench.lock"),
        ("deploy", "requirements-deploy.lock"),
    ],
)
def test_a_lock_satisfies_the_requirements_of_the_project(group, lock):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    runtime = [*project["project"]["dependencies"], *(each for extra in extras for each in extra)]
    asked = project["dependency-groups"][group] if group else runtime
    versions = locked(ROOT / lock)

    for requirement in map(Requirement, asked):
        version, _ = versions[canonicalize_name(requirement.name)]
        assert version in requirement.specifier


@pytest.mark.process
def test_a_python_that_is_too_old_gives_one_line(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; *) echo 3.9 ;; esac\n')
    old.chmod(0o755)

    done = subprocess.run(
        [ROOT / "bin" / "serve"],
        env=os.environ | {"CC_PYTHON": str(old), "CC_VENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("bin/serve: needs Python 3.12 or newer; found")
    assert "Python 3.9" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.process
def test_a_folder_of_the_user_is_never_cleared_for_an_environment(tmp_path):
    mine = tmp_path / "thesis.txt"
    mine.write_text("years of work")

    done = subprocess.run(
        [ROOT / "bin" / "serve"],
        env=os.environ | {"CC_PYTHON": sys.executable, "CC_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "was not made by these commands" in done.stderr
    assert mine.read_text() == "years of work"


@pytest.mark.process
def test_the_wrapper_brings_both_services_and_when_terminated_ends_its_command_and_its_services():
    wrapper = subprocess.Popen(
        [*WRAPPER, sys.executable, "-c", f"{PRINT_SERVICES}\nimport time; time.sleep(600)"],
        cwd=ROOT,
        env=WITHOUT_SERVICES,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder, *urls = json.loads(wrapper.stdout.readline())
    assert {urlsplit(url).hostname for url in urls} == {"127.0.0.1"}
    assert all(map(is_open, ports(urls)))

    wrapper.send_signal(signal.SIGTERM)

    assert wrapper.wait(timeout=30) == 128 + signal.SIGTERM
    assert not any(map(is_open, ports(urls)))
    assert not Path(folder).parents[1].exists()
    wrapper.stdout.close()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help with orphans is Linux's own")
def test_a_killed_wrapper_leaves_no_service():
    wrapper = subprocess.Popen(
        [*WRAPPER, sys.executable, "-c", f"{PRINT_SERVICES}\nimport time; time.sleep(600)"],
        cwd=ROOT,
        env=WITHOUT_SERVICES,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder, *urls = json.loads(wrapper.stdout.readline())

    wrapper.kill()
    wrapper.wait()
    wrapper.stdout.close()

    deadline = time.monotonic() + 20
    while any(map(is_open, ports(urls))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    shutil.rmtree(Path(folder).parents[1])


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help with orphans is Linux's own")
def test_a_killed_command_leaves_no_process_behind():
    command = 'setsid sleep 600 >/dev/null & echo "$!"; kill -9 "$$"'

    done = subprocess.run(
        [*WRAPPER, "bash", "-c", command],
        cwd=ROOT,
        env=os.environ | GIVEN,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 128 + signal.SIGKILL
    assert not is_running(int(done.stdout))


@pytest.mark.process
def test_services_named_in_the_environment_are_used_as_they_are():
    done = subprocess.run(
        [*WRAPPER, "bash", "-c", 'echo "$DATABASE_URL $REDIS_URL"; exit 7'],
        cwd=ROOT,
        env=os.environ | GIVEN,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 7
    assert done.stdout.split() == list(GIVEN.values())


@pytest.mark.process
def test_without_docker_the_containers_are_refused_with_the_remedy(tmp_path):
    done = subprocess.run(
        [*WRAPPER, "true"],
        cwd=ROOT,
        env=WITHOUT_SERVICES
        | {"CC_TEST_SERVICES": "containers", "DOCKER_HOST": f"unix://{tmp_path}/no-docker.sock"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("tests.services: the container postgres:17 does not start: ")
    assert done.stderr.endswith("or run the tests without --services=containers.\n")
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_a_command_that_does_not_exist_is_named():
    done = subprocess.run(
        [*WRAPPER, "no-such-command"],
        cwd=ROOT,
        env=os.environ | GIVEN,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 127
    assert done.stderr == "no-such-command: No such file or directory\n"
