"""The load test of the specification, with the CPU time of the server."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.product import CipherCanary
from bench.watch import Watch

PROGRAM = Path(sys.executable).with_name("k6")
SCRIPT = Path(__file__).parent / "k6" / "encrypt.js"
RAMP_SECONDS, STAY_SECONDS = 10, 40
QUICK_RAMP_SECONDS, QUICK_STAY_SECONDS = 2, 4
THRESHOLD_MISSED = 99  # k6's exit code; the table reports it as well


@dataclass(frozen=True)
class K6:
    """``p95`` is in milliseconds. ``cores`` is the use of all processes of ``bin/serve`` together, without the
    database.
    """

    requests: int
    errors: int
    p95: float
    cores: float


def measure(product: CipherCanary, *, quick: bool) -> K6:
    ramp, stay = (QUICK_RAMP_SECONDS, QUICK_STAY_SECONDS) if quick else (RAMP_SECONDS, STAY_SECONDS)
    environment = os.environ | {
        "BASE_URL": f"http://127.0.0.1:{product.product.port}",
        "TOKEN": product.token,
        "RAMP": f"{ramp}s",
        "STAY": f"{stay}s",
    }
    with tempfile.TemporaryDirectory(prefix="bench-k6-") as folder:
        summary = Path(folder) / "summary.json"
        command = [PROGRAM, "run", "--quiet", "--no-usage-report", f"--summary-export={summary}", SCRIPT]
        with Watch(product.product.processes()) as watch:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=2 * ramp + stay + 60,
            )
        if done.returncode not in {0, THRESHOLD_MISSED}:
            raise RuntimeError(f"k6 failed:\n{done.stdout}{done.stderr}")
        metrics = json.loads(summary.read_text())["metrics"]
    product.settle()
    return K6(
        requests=metrics["http_reqs"]["count"],
        errors=metrics["http_req_failed"]["passes"],  # k6 counts how often "failed" was true
        p95=metrics["http_req_duration"]["p(95)"],
        cores=watch.cores,
    )
