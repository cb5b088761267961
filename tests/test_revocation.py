"""No other process uses a right after it has ended, even from warm caches; the campaign is the long form."""

import os
import subprocess
import sys

import pytest

from campaigns.revocation.rights import KINDS
from tests.product import ROOT

pytestmark = pytest.mark.process


@pytest.mark.database
@pytest.mark.parametrize("path", ["engine", "fast-path"])
def test_no_path_uses_a_revoked_right_after_the_acknowledgement(path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "campaigns.revocation.campaign",
            "--rounds",
            str(len(KINDS)),
            "--path",
            path,
        ],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 leaks" in done.stdout
