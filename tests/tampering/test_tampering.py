"""The short form of ``tests.tampering.campaign``: every kind of alteration once, on a small log."""

import os
import subprocess
import sys

import pytest

from tests.product import ROOT

SHORT = ("--entries", "600", "--parts", "4", "--rows", "2", "--times", "1", "--untouched", "8")


@pytest.mark.database
def test_every_alteration_of_the_log_is_noticed_and_no_whole_log_is_suspected():
    done = subprocess.run(
        [sys.executable, "-m", "tests.tampering.campaign", *SHORT],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    tried = {
        line.split("  ")[0]: int(line.split()[-5]) for line in done.stdout.splitlines() if line[-1:].isdigit()
    }
    assert min(tried.values()) > 0
    for table in (
        "audit_logs",
        "audit_trail",
        "audit_leaves",
        "audit_tiles",
        "audit_tree",
        "audit_checkpoints",
    ):
        assert any(name.startswith(f"{table}.") for name in tried)
    for kind in (
        "removed",
        "inserted",
        "swapped",
        "duplicated",
        "renumbered",
        "cut off",
        "an old copy",
        "rewritten",
    ):
        assert any(name.startswith(kind) for name in tried)
