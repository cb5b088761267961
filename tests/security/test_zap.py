"""OWASP ZAP's baseline scan, in ZAP's own image. The workflow runs the same scan against the product's image."""

import os
import shutil
import subprocess

import pytest

from tests.architecture.sources import ROOT

RULES = ROOT / "deploy" / "zap" / "baseline.conf"
FOLDER = "/zap/wrk"  # where the scan in ZAP's image finds its files


def test_every_exception_of_the_scan_names_its_rule_and_a_reason():
    lines = [line for line in RULES.read_text().splitlines() if not line.startswith("#")]
    rules = [line.split("\t") for line in lines]
    assert rules
    for number, action, name, reason in rules:
        assert number.isdecimal()
        assert action == "IGNORE"
        assert name.startswith("(")
        assert reason
    assert len({number for number, *_ in rules}) == len(rules)


@pytest.mark.zap
@pytest.mark.process
@pytest.mark.skipif(
    shutil.which("zap-baseline.py") is None, reason="ZAP is not installed here; the workflow runs its scan"
)
def test_the_baseline_scan_finds_nothing_else(product):
    done = subprocess.run(
        [
            *("zap-baseline.py", "-z", "-silent", "-t", f"http://127.0.0.1:{product.port}/"),
            *("-c", os.path.relpath(RULES, FOLDER)),
        ],
        env=os.environ | {"IS_CONTAINERIZED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
