"""A real OpenID Connect provider for the tests: the npm package oidc-provider, in a process of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MISSING = (
    "no OpenID Connect provider for its tests: install node 20 or newer, then run "
    "npm ci --ignore-scripts --prefix tests/oidc_provider"
)
CLIENT_ID, CLIENT_SECRET = "ciphercanary", "of the tests, with: signs & spaces"
PEOPLE = {
    "olga": {"groups": ["everyone", "key-admins"]},
    "paul": {"groups": ["everyone", "engineers"]},
    "zoe": {"groups": ["everyone"]},
}
ROLES = ("key-admins=admin", "engineers=developer")


@dataclass(frozen=True)
class RunningProvider:
    issuer: str


def is_installed() -> bool:
    return bool(shutil.which("node")) and (FOLDER / "node_modules" / "oidc-provider").is_dir()


def is_required() -> bool:
    """Continuous integration installs the provider, so its absence is a failure there."""
    return bool(os.environ.get("CI"))


@contextmanager
def running_provider(
    redirect_uris: Sequence[str], people: Mapping[str, Mapping[str, Any]] = PEOPLE
) -> Iterator[RunningProvider]:
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": list(redirect_uris)}
    process = subprocess.Popen(
        ["node", FOLDER / "provider.js", json.dumps({"client": client, "people": people})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield RunningProvider(issuer=f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
