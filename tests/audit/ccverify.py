"""bin/ccverify in this process, which costs less than a process of its own."""

import io
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

CCVERIFY = Path(__file__).resolve().parents[2] / "bin" / "ccverify"
MAIN = runpy.run_path(str(CCVERIFY), run_name="ccverify")["main"]


def run(*arguments):
    """Run the program in this process; return its exit code and its output as ``subprocess.run`` does."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", list(map(str, [CCVERIFY, *arguments])))
        try:
            code = MAIN()
        except SystemExit as end:  # argparse refuses the arguments
            code = end.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
