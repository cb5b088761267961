"""Run the k6 load of bench/k6 against the published port, and print the memory of each container.

    python -m campaigns.containers.memory --url https://localhost:8443 --certificate certificate.pem --stay 60

It needs the packages of bin/bench. The figures are those of the container engine: what counts against the limit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.k6_script import PROGRAM, SCRIPT, THRESHOLD_MISSED
from campaigns.containers.published import Published, memory
from tests.output import log

MIB = 1024 * 1024
RAMP_SECONDS = 10
LIMIT = 512 * MIB  # of the containers that run our image
OURS = ("web", "worker", "sequencer", "beat")


def main() -> int:
    """Return 0 if no request failed and our containers stayed below their limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--stay", type=int, default=60, help="seconds with 100 users")
    options = parser.parse_args()
    idle = memory()
    failed, peaks = load(options.url, options.certificate, options.stay)
    too_large = []
    for name, peak in sorted(peaks.items()):
        log(f"{name:28} {idle.get(name, 0) / MIB:7.0f} MiB idle {peak / MIB:7.0f} MiB under load")
        if peak > LIMIT and any(f"-{service}-" in name for service in OURS):
            too_large.append(name)
    return 1 if failed or too_large else 0


def load(url: str, certificate: str, stay: int) -> tuple[int, dict[str, int]]:
    """Run k6. Returns the number of failed requests, and the peak memory of each container in bytes."""
    peaks: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="k6-") as folder:
        summary = Path(folder) / "summary.json"
        environment = os.environ | {
            "BASE_URL": url,
            "TOKEN": Published(url, certificate).token(),
            "RAMP": f"{RAMP_SECONDS}s",
            "STAY": f"{stay}s",
            "SSL_CERT_FILE": certificate,
        }
        command = [PROGRAM, "run", "--quiet", "--no-usage-report", f"--summary-export={summary}", SCRIPT]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                for name, size in memory().items():
                    peaks[name] = max(size, peaks.get(name, 0))
            output = process.stdout.read() if process.stdout else ""
        if process.returncode not in {0, THRESHOLD_MISSED}:
            raise RuntimeError(f"k6 failed:\n{output}")
        metrics = json.loads(summary.read_text())["metrics"]
    failed, requests = metrics["http_req_failed"]["passes"], metrics["http_reqs"]["count"]
    log(f"k6: {requests} requests, {failed} failed, p95 {metrics['http_req_duration']['p(95)']:.1f} ms")
    return failed, peaks


if __name__ == "__main__":
    sys.exit(main())
