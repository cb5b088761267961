"""Kill and cut off one of several web nodes under load, and count what the clients saw and what was lost.

    python -m campaigns.nodes.campaign --times 10 --clients 32

Three nodes, each in a network namespace, behind nginx on loopback. Each round kills one with all its
processes, or cuts it off from the database and Redis, while clients encrypt, decrypt, read, and change keys. In each
round a key is disabled through one node and used through the others. It exits 1 if something acknowledged was lost or
recorded twice, a disabled key was used, a limit was exceeded, the log does not verify, or a client does not recover.
It needs root, iproute2, nginx and openssl.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from campaigns.nodes.cluster import Cluster, Node
from campaigns.nodes.network import Network
from campaigns.nodes.observing import Observer, admitted_within_bound, stale_uses
from campaigns.outages.load import MeasuredLoad
from campaigns.outages.verdict import Played, judge, row, table
from tests.output import log
from tests.services.processes import ends_like_a_signal
from tests.services.rights import folder_for_servers

COUNT = 3
NORMAL_SECONDS = 3.0  # of normal service before each fault
CUT_OFF_SECONDS = 20.0  # longer than both ends need to notice: see kernel.databases.dead_peers

type Fault = Callable[[Cluster, Node, "Stale"], AbstractContextManager[None]]
type Stale = list[str]


@contextlib.contextmanager
def no_fault(cluster: Cluster, node: Node, stale: Stale) -> Iterator[None]:
    """For comparison."""
    stale += stale_uses(node, cluster.others(node))
    yield


@contextlib.contextmanager
def killed(cluster: Cluster, node: Node, stale: Stale) -> Iterator[None]:
    """``kill -9`` of everything that runs on the node, and a new start."""
    node.kill()
    first, *more = cluster.others(node)
    stale += stale_uses(first, more)
    node.start()
    yield


@contextlib.contextmanager
def cut_off(cluster: Cluster, node: Node, stale: Stale) -> Iterator[None]:
    """The node loses the network to the database and Redis. The proxy still reaches it."""
    first, *more = cluster.others(node)
    with ExitStack() as cut:
        stale += stale_uses(first, [*more, node], lambda: cut.enter_context(cluster.without_back(node)))
        time.sleep(CUT_OFF_SECONDS)
    yield


NONE = "none"
FAULTS: dict[str, Fault] = {NONE: no_fault, "killed": killed, "cut-off": cut_off}


def main() -> int:
    """Return 0 if all promises hold."""
    options = parse()
    with ends_like_a_signal(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
        folder.chmod(0o711)
        cluster = Cluster(stack, folder, stack.enter_context(Network(COUNT)))
        log(f"{COUNT} nodes on an empty database: all respond after {cluster.seconds:.1f} s")
        results = [play(cluster, name, options) for name in options.faults]
        log(f"\n{options.clients} clients\n\n{table([cells for cells, _ in results])}")
        return 0 if all([*(is_well for _, is_well in results), admitted_within_bound(cluster)]) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", default=",".join(FAULTS), help=f"comma-separated, of {', '.join(FAULTS)}")
    parser.add_argument("--times", type=int, default=10, help="of each fault")
    parser.add_argument("--clients", type=int, default=32)
    options = parser.parse_args()
    options.faults = options.faults.split(",")
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    return options


def play(cluster: Cluster, name: str, options: argparse.Namespace) -> tuple[list[str], bool]:
    """Repeat the fault, on one node after the other. Return the cells of its row, and whether all is well."""
    recoveries: list[float] = []
    stale: Stale = []
    with Observer(cluster) as observer, MeasuredLoad(cluster.site, clients=options.clients) as load:
        for number in range(options.times if name != NONE else COUNT):
            load.wait_for_everyone(time.monotonic() + NORMAL_SECONDS)
            with FAULTS[name](cluster, cluster.nodes[number % COUNT], stale):
                ended = time.monotonic()
            recoveries.append(load.wait_for_everyone(ended))
    played = Played(name, load, recoveries)
    judge(cluster.nodes[0], cluster.site, [played])
    median, slowest = load.percentiles()
    log(f"{name}: p50 {median:.0f} ms, p99 {slowest:.0f} ms; {observer}; {len(stale)} uses of a disabled key")
    log(f"{name}: not successful: {load.refusals()}")
    for violation in [*stale, *played.violations.all][:20]:
        log(f"  {violation}")
    return row(played), observer.is_well and not [*stale, *played.violations.all]


if __name__ == "__main__":
    sys.exit(main())
