"""The package that ``pip install ./clients/python`` builds."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ciphercanary_client.version import VERSION

pytestmark = pytest.mark.process

CLIENT = Path(__file__).resolve().parents[1]


def test_the_package_has_its_types_and_the_command_and_no_tests(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=CLIENT, check=True, capture_output=True)
    [wheel] = tmp_path.glob(f"ciphercanary_client-{VERSION}-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as package:
        names = package.namelist()
    assert "ciphercanary_client/py.typed" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"ciphercanary_client"}

    site = tmp_path / "site"
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
    shown = subprocess.run(
        [site / "bin" / "ciphercanary", "--version"],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"ciphercanary {VERSION}\n"
