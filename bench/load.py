"""Generates load with wrk: a fixed number of keep-alive connections. Each sends its next request after a response."""

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.requests import Request

SCRIPT = Path(__file__).with_name("post.lua")
TIMEOUT_SECONDS = 5  # a request that waits longer counts as broken
THREADS_FROM = 1000  # connections; below this number, one wrk thread is never the bottleneck


@dataclass(frozen=True)
class Load:
    """The result of a load. ``rate`` counts successful requests per second. Latencies are in milliseconds.

    ``cpu``: CPU microseconds for each response by kind of process, if measured. ``refused`` responses had a status of 400 or more; ``broken`` requests had no response. Without any response the
    latencies are infinite.
    """

    rate: float
    p50: float
    p95: float
    p99: float
    refused: int
    broken: int
    p999: float = math.inf
    succeeded: int = 0
    cpu: Mapping[str, float] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return self.refused + self.broken


def run(request: Request, connections: int, seconds: float) -> Load:
    """Send ``request`` over ``connections`` for ``seconds`` (a whole number, at least one)."""
    whole = max(1, round(seconds))
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        done = subprocess.run(
            [  # noqa: S607 - bin/bench checks that it is in PATH
                "wrk",
                f"--threads={2 if connections >= THREADS_FROM else 1}",
                f"--connections={connections}",
                f"--duration={whole}s",
                f"--timeout={TIMEOUT_SECONDS}s",
                f"--script={SCRIPT}",
                request.url,
            ],
            env=os.environ | {"BENCH_REQUESTS": str(request.write(Path(folder)))},
            capture_output=True,
            text=True,
            check=True,
            timeout=whole + 60,
        )
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Parse the output of wrk with bench/post.lua. Raises ValueError if its line of JSON is missing."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if line is None:
        raise ValueError(f"wrk printed no result:\n{output}")
    counted = json.loads(line)
    succeeded = counted["requests"] - counted["refused"]
    names = ("p50", "p95", "p99", "p999")
    p50, p95, p99, p999 = (counted[name] / 1000 if succeeded else math.inf for name in names)
    return Load(
        rate=succeeded / counted["microseconds"] * 1e6,
        p50=p50,
        p95=p95,
        p99=p99,
        p999=p999,
        succeeded=succeeded,
        refused=counted["refused"],
        broken=counted["broken"],
    )


def median_of(loads: Sequence[Load]) -> Load:
    """The median of each figure separately. Counts are added up, so that no error is lost."""
    return Load(
        rate=median(load.rate for load in loads),
        p50=median(load.p50 for load in loads),
        p95=median(load.p95 for load in loads),
        p99=median(load.p99 for load in loads),
        p999=median(load.p999 for load in loads),
        succeeded=sum(load.succeeded for load in loads),
        refused=sum(load.refused for load in loads),
        broken=sum(load.broken for load in loads),
        cpu={kind: median(load.cpu[kind] for load in loads) for kind in loads[0].cpu},
    )
