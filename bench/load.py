"""Load by wrk: a fixed number of keep-alive connections, each sending its next request when it has its answer."""

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.requests import Request

SCRIPT = Path(__file__).with_name("post.lua")
PATIENCE_SECONDS = 5  # a request that waits longer counts as broken
THREADS_FROM = 1000  # connections; below, one thread of wrk is never what limits


@dataclass(frozen=True)
class Load:
    """What came of it. ``rate`` counts answered requests a second, latencies are milliseconds.

    ``refused`` answers had a status of 400 or more; ``broken`` requests had none. Without any answer latencies are
    infinite.
    """

    rate: float
    p50: float
    p95: float
    p99: float
    refused: int
    broken: int

    @property
    def errors(self) -> int:
        return self.refused + self.broken


def run(request: Request, connections: int, seconds: float) -> Load:
    """Send ``request`` over ``connections`` for ``seconds`` (whole ones; at least one)."""
    whole = max(1, round(seconds))
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        done = subprocess.run(
            [  # noqa: S607 - found in PATH, as bin/bench has made sure
                "wrk",
                f"--threads={2 if connections >= THREADS_FROM else 1}",
                f"--connections={connections}",
                f"--duration={whole}s",
                f"--timeout={PATIENCE_SECONDS}s",
                f"--script={SCRIPT}",
                request.url,
            ],
            env=os.environ | {"BENCH_REQUEST": str(request.write(Path(folder)))},
            capture_output=True,
            text=True,
            check=True,
            timeout=whole + 60,
        )
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what wrk printed with bench/post.lua. Raises ValueError where its line of JSON is not there."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if line is None:
        raise ValueError(f"wrk printed no result:\n{output}")
    counted = json.loads(line)
    answered = counted["requests"] - counted["refused"]
    p50, p95, p99 = (counted[name] / 1000 if answered else math.inf for name in ("p50", "p95", "p99"))
    return Load(
        rate=answered / counted["microseconds"] * 1e6,
        p50=p50,
        p95=p95,
        p99=p99,
        refused=counted["refused"],
        broken=counted["broken"],
    )


def median_of(loads: Sequence[Load]) -> Load:
    """Each figure's own median; errors are added up, so that none is lost."""
    return Load(
        rate=median(load.rate for load in loads),
        p50=median(load.p50 for load in loads),
        p95=median(load.p95 for load in loads),
        p99=median(load.p99 for load in loads),
        refused=sum(load.refused for load in loads),
        broken=sum(load.broken for load in loads),
    )
