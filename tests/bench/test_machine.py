import os
import subprocess
import sys

import pytest

from tests.product import ROOT


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("bench", "bin/bench"),
        ("bench.growth", "bench.growth"),
        ("bench.fast_path_costs", "bench.fast_path_costs"),
    ],
)
def test_a_program_that_is_missing_is_named_before_anything_starts(tmp_path, module, name):
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=os.environ | {"PATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    expected = f"{name}: needs wrk (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)\n"
    assert (done.returncode, done.stderr) == (1, expected)
