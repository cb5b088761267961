"""Runs all benchmarks side by side: ``bin/bench``."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import (
    batches,
    client,
    crowds,
    files,
    k6_script,
    kills,
    machine,
    mix,
    openbao,
    openssl,
    product,
    report,
    singles,
    streams,
)
from bench.contestant import MIX, OTHER_OPERATIONS, Contestant, check
from bench.figures import FAST_PATH, OPENBAO, REST_ALONE, Results
from bench.naive import server as naive
from bench.product import CipherCanary
from bench.requests import Refused
from bench.singles import Pace
from bench.table import markdown, terminal
from ciphercanary_client import Error as ClientError
from tests.product import Failed
from tests.services.processes import Unavailable, ends_like_a_signal

PRODUCT, DRF, NAIVE, BAO = CONTESTANTS = ("product", "drf", "naive", "openbao")
SECTIONS = ("operations", "mix", "batch", "connections", "stream", "files", "client", "k6", "kill", "openssl")
QUICK = Pace(seconds=2, warm_up=1, repeats=1)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    run = Run(options)
    try:
        with ExitStack() as stack, ends_like_a_signal():
            facts = [("command", shlex.join(["bin/bench", *arguments])), *prepare()]
            folder = stack.enter_context(machine.private_folder())
            run.start(stack, folder)
            run.measure()
    except (machine.Unfit, Failed, Unavailable, Refused) as reason:
        sys.stderr.write(f"bin/bench: {reason}\n")
        return 1
    print(f"\n{report.report(run.results, facts, terminal)}")
    if options.write:
        report.write(report.report(run.results, facts, markdown))
        print(f"written to {report.PAGE}")
    return 1 if run.failed else 0


def prepare() -> list[tuple[str, str]]:
    """Check that the machine is fit for measurements, and describe it."""
    machine.require_programs("wrk", "openssl")
    database, cache = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
    machine.allow_many_files()
    machine.require_durable(database)
    return machine.describe(database, cache)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 s each, once: shows that it works")
    parser.add_argument("--seconds", type=int, default=8, help="of each load (8)")
    parser.add_argument("--repeats", type=int, default=3, help="of each load; medians are shown (3)")
    names = (*CONTESTANTS, *SECTIONS)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=" ".join(names)
    )
    parser.add_argument("--write", action="store_true", help=f"put the tables into {report.PAGE.name}")
    return parser.parse_args(arguments)


class Run:
    """One run: its options, its contestants, its results, and whether a part failed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.quick: bool = options.quick
        self.pace = QUICK if options.quick else Pace(options.seconds, 2, options.repeats)
        self.wanted = set(options.only)
        self.results = Results()
        self.failed = False
        self.running: dict[str, Contestant] = {}

    def start(self, stack: ExitStack, folder: Path) -> None:
        """Start the contestants that are needed. The stack stops them."""
        ways = {
            PRODUCT: lambda: product.running(FAST_PATH, folder / PRODUCT, "protocol"),
            DRF: lambda: product.running(REST_ALONE, folder / DRF, "off"),
            NAIVE: lambda: naive.running(folder / NAIVE),
            BAO: lambda: openbao.running(folder / BAO),
        }
        for name, way in ways.items():
            if name in self.needed():
                log(f"starting {name}")
                self.running[name] = stack.enter_context(way())
                check(self.running[name])

    def needed(self) -> set[str]:
        needed = self.wanted & set(CONTESTANTS)
        if self.wanted & set(SECTIONS) - {"openssl"}:
            needed.add(PRODUCT)
        if self.wanted & {"operations", "mix", "batch"}:
            needed.add(BAO)
        return needed

    def measure(self) -> None:
        contestants = [server for name, server in self.running.items() if name in self.wanted]
        parts = {
            "openssl": self.bound,
            "operations": self.operations,
            "mix": self.mix,
            "batch": self.batches,
            "connections": self.crowds,
            "stream": self.stream,
            "files": self.files,
            "client": self.client,
            "k6": self.k6,
            "kill": self.kill,
        }
        if contestants:
            self.attempt("single messages", lambda: self.singles(contestants))
        for name, part in parts.items():
            if name in self.wanted:
                self.attempt(name, part)
        ours = self.running.get(PRODUCT)
        if isinstance(ours, CipherCanary):
            self.results.lag = ours.longest_lag

    def attempt(self, name: str, part: Callable[[], None]) -> None:
        """Run one part. If it fails, the results of the other parts are kept."""
        log(f"measuring {name}")
        os.sync()  # otherwise the disk would write the files of the last part meanwhile
        try:
            part()
        except (Refused, ClientError, RuntimeError, OSError, ValueError) as error:
            self.failed = True
            log(f"{name} FAILED: {error}")

    def singles(self, contestants: Sequence[Contestant]) -> None:
        self.results.singles = singles.measure(contestants, self.pace, log)

    def operations(self) -> None:
        self.ours.add_keys()
        both = [self.ours, self.running[BAO]]
        found = singles.measure(both, self.pace, log, OTHER_OPERATIONS, (32,))
        self.results.singles.update(found)

    def mix(self) -> None:
        both = [self.ours, self.running[BAO]]
        for each in both:
            each.add_mix()
            mix.warm_up(each.request(MIX))
            each.settle()
        found = singles.measure(both, self.pace, log, (MIX,), mix.CONNECTIONS)
        self.results.singles.update(found)

    def bound(self) -> None:
        self.results.bound = openssl.measure(min(3, self.pace.seconds))

    def batches(self) -> None:
        for items in (batches.ITEMS, batches.COMMON_ITEMS):
            found = batches.measure_ours(self.ours, items, self.pace)
            if found is None:
                self.results.absent.add("batch")
                log("batch: not there")
                break
            self.results.batches[FAST_PATH, items] = found
        theirs = batches.measure_openbao(self.running[BAO], batches.COMMON_ITEMS, self.pace)
        self.results.batches[OPENBAO, batches.COMMON_ITEMS] = theirs

    def crowds(self) -> None:
        for connections in crowds.CONNECTIONS:
            self.results.crowds[connections] = crowds.measure(self.ours, connections, self.pace)

    def stream(self) -> None:
        size = streams.QUICK_SIZE if self.quick else streams.SIZE
        self.results.stream = streams.measure(self.ours, size, self.pace)
        if self.results.stream is None:
            self.results.absent.add("stream")
            log("stream: not there")

    def files(self) -> None:
        size = files.QUICK_SIZE if self.quick else files.SIZE
        self.results.file_job = files.measure(self.ours, size, self.pace)

    def client(self) -> None:
        self.results.client = client.measure(self.ours, self.pace)

    def k6(self) -> None:
        self.results.k6 = k6_script.measure(self.ours, quick=self.quick)

    def kill(self) -> None:
        self.results.kill = kills.measure(self.ours)

    @property
    def ours(self) -> CipherCanary:
        return self.running[PRODUCT]


def log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
