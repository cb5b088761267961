"""Measures the cost of one encryption in the fast path, by process and by module.

    CC_TEST_DURABLE=1 python -m tests.services python -m bench.fast_path_costs [--seconds N]

It is run manually; the results are in docs/performance.md. The first part measures the CPU time per request of
each kind of process under load over HTTP. The second part runs inside one process, without HTTP and without other
processes competing for the cores. It samples which module of the fast path and its writer is running.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
import uvloop

from bench import load, machine, product, watch
from bench.contestant import ENCRYPT
from bench.product import CipherCanary
from bench.requests import Request
from bench.table import markdown
from tests.crypto_ops.connections import FastPathConnection
from tests.product import ROOT
from tests.services.rights import folder_for_servers

CONNECTIONS = (1, 32, 256)
AT_ONCE = 64  # requests in flight inside the process
KINDS = ("web workers", "PostgreSQL", "sequencer")
LEAST = 0.5  # microseconds of a module that has a row
SAMPLE_SECONDS = 0.001  # of CPU time; the kernel's own tick is coarser


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.fast_path_costs", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each load (8)")
    options = parser.parse_args(arguments)
    try:
        machine.require_programs("wrk")
        machine.allow_many_files()
    except machine.Unfit as reason:
        sys.exit(f"bench.fast_path_costs: {reason}")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder_for_servers()) as folder:
        Path(folder).chmod(0o700)
        with product.running("CipherCanary", Path(folder) / "product", "protocol") as ours:
            rows = [by_process(ours, connections, options.seconds) for connections in CONNECTIONS]
            print(markdown(["connections", "req/s", *(f"{kind}, us" for kind in KINDS)], rows))
            request = ours.request(ENCRYPT)
            ours.product.stop()
            total, parts = by_module(ours, request, options.seconds)
            rows = [[name, f"{part:.1f}"] for name, part in parts if part >= LEAST]
            print(markdown(["module", f"us of {total:.1f}"], rows))


def by_process(ours: CipherCanary, connections: int, seconds: float) -> list[str]:
    """CPU microseconds per request of each kind of process."""
    request = ours.request(ENCRYPT)
    load.run(request, connections, 2)
    found = watch.costs_of(lambda: load.run(request, connections, seconds))
    ours.settle()
    return [str(connections), f"{found.rate:,.0f}", *(f"{found.cpu[kind]:.0f}" for kind in KINDS)]


def by_module(ours: CipherCanary, request: Request, seconds: float) -> tuple[float, list[tuple[str, float]]]:
    """CPU microseconds of one request in this process, in total and for each module. `seconds` are of CPU time."""
    os.environ |= {name: value for name, value in ours.product.environment.items() if name != "TMPDIR"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "ciphercanary.settings"
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(dir=ours.product.temporary)
    django.setup()
    samples: Counter[str] = Counter()
    succeeded, cpu = uvloop.run(serve(request, seconds, samples))
    cost = cpu / succeeded * 1e6
    return cost, [(name, count / samples.total() * cost) for name, count in samples.most_common()]


async def serve(request: Request, seconds: float, samples: Counter[str]) -> tuple[int, float]:
    """Send requests to the fast path as fast as it can respond. Returns the number of responses and their CPU seconds."""
    from audit.commit import loop_writer
    from ciphercanary.asgi import fast_routes
    from kernel.http import fast_path

    handler = fast_routes["POST", request.path]
    names = {"Host": f"127.0.0.1:{request.port}", **request.headers}
    head = [(name.lower().encode(), value.encode()) for name, value in names.items()]

    async def client(until: float) -> int:
        succeeded, sent = 0, FastPathConnection()
        received = fast_path.read(head, "127.0.0.1", "http")
        while time.process_time() < until:
            response = received and await sent.send(handler, received, request.body)
            if response is None or response.status != 200:
                raise RuntimeError("the fast path did not respond by itself")
            succeeded += 1
        return succeeded

    await client(time.process_time() + 1)
    with sampling(samples):
        began = time.process_time()
        succeeded = sum(await asyncio.gather(*(client(began + seconds) for _ in range(AT_ONCE))))
        cpu = time.process_time() - began
    await loop_writer.close()
    return succeeded, cpu


@contextmanager
def sampling(samples: Counter[str]) -> Iterator[None]:
    """Sample the running module by the CPU time of the process. Waiting is not counted."""

    def sample(_: int, frame: FrameType | None) -> None:
        if frame is not None:
            samples[module_of(frame.f_code.co_filename)] += 1

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def module_of(filename: str) -> str:
    """The path of one of our modules, or the package name of installed and generated code."""
    path = Path(filename)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    if path.is_relative_to(ROOT) and ROOT / "bench" not in path.parents:
        return str(path.relative_to(ROOT))
    return path.name


if __name__ == "__main__":
    main(sys.argv[1:])
