"""Run clients against a new server: hvac's own tests of transit, health and leader, sessions of bao, SOPS and Tink, and
the programs that *Use it* shows for transit keys.

    python -m clients URL

All use a migration token.

The working folder has the ``tests`` of hvac's source package. bin/conformance starts it.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

import sessions
import shown_programs

FOLDER = "tests/integration_tests/api"
# The tests that must pass. Others of hvac need several nodes.
SUITES = {
    f"{FOLDER}/secrets_engines/test_transit.py": 47,
    f"{FOLDER}/system_backend/test_health.py": 2,
    f"{FOLDER}/system_backend/test_leader.py": 1,
}
SCOPES = "vault.manage keys.read keys.create keys.update keys.rotate encrypt decrypt reencrypt sign verify mac data_key random"
PROGRAMS = ("bao", "sops", "tink")
START_SECONDS = 120


def main(url: str) -> int:
    wait(url)
    token = migration_token(url)
    environment = {**os.environ, "CC_URL": url, "CC_TOKEN": token}
    has_failed = False
    for file, wanted in SUITES.items():
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "hvac_adapter"),
                *("--tb=short", "--junitxml=result.xml", file),
            ],
            env=environment,
            check=False,
            stdout=sys.stderr,
        )
        passed, failed = result("result.xml")
        has_failed |= bool(failed) or passed != wanted
        show(f"hvac {file.rpartition('test_')[2].removesuffix('.py')}", passed, wanted)
    for program in PROGRAMS:
        with TemporaryDirectory() as folder:
            played = sessions.play(program, environment_of(url, token), Path(folder))
        has_failed |= bool(played.problems)
        print(*played.problems, sep="\n", file=sys.stderr)
        show(program, played.steps - len(played.problems), played.steps)
    found = list(shown_programs.problems(url, os.environ["CC_ADMIN_PASSWORD"], environment_of(url, token)))
    print(*filter(None, found), sep="\n", file=sys.stderr)
    show("programs", found.count(""), shown_programs.COUNT)
    has_failed |= any(found) or len(found) != shown_programs.COUNT
    return 1 if has_failed else 0


def show(what: str, passed: int, wanted: int) -> None:
    print(f"{what:15} {passed:3} of {wanted:3} passed")


def environment_of(url: str, token: str) -> dict[str, str]:
    """Of the commands of a session."""
    program = Path(__file__).with_name("tink_aead.py")
    return {
        **dict.fromkeys(("VAULT_ADDR", "BAO_ADDR"), url),
        **dict.fromkeys(("VAULT_TOKEN", "BAO_TOKEN"), token),
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "TINK": f"{sys.executable} {program}",
    }


def wait(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/v1/sys/health").close()  # noqa: S310 - the address of this machine
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(1)
        else:
            return


def migration_token(url: str) -> str:
    password = os.environ["CC_ADMIN_PASSWORD"]
    signed_in = post(f"{url}/auth/login", {"username": "admin", "password": password}, {})
    until = datetime.now(UTC) + timedelta(hours=1)
    wanted = {
        "name": "conformance",
        "scopes": SCOPES.split(),
        "expires_at": until.isoformat().replace("+00:00", "Z"),
    }
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    return str(post(f"{url}/api/v1/tokens", wanted, headers)["token"])


def post(url: str, body: object, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the address of this machine
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
        return json.load(response)


def result(file: str) -> tuple[int, int]:
    """The numbers of tests that passed and that failed."""
    suite = next(ET.parse(file).iter("testsuite"))  # noqa: S314 - pytest has written it
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return int(suite.get("tests", 0)) - failed - int(suite.get("skipped", 0)), failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
