"""Very many keep-alive connections at once, all busy, and what the web workers need for them."""

import resource
from dataclasses import dataclass

from bench import load
from bench.contestant import ENCRYPT
from bench.load import Load
from bench.product import CipherCanary
from bench.singles import Pace
from bench.watch import Watch

CONNECTIONS = (1000, 5000)
FILES = 16_384  # descriptors of each process


@dataclass(frozen=True)
class Crowd:
    """``peak`` is the resident memory of the larger web worker, bytes."""

    load: Load
    peak: int


def allow_many_files() -> None:
    """Let this process and those it will start open enough sockets. Raises OSError where the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise OSError(
            f"bin/bench needs {FILES} open files for each process, the hard limit is {hard}: ulimit -Hn"
        )
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))


def measure(product: CipherCanary, connections: int, pace: Pace) -> Crowd:
    request = product.request(ENCRYPT)
    loads, peaks = [], []
    for _ in range(pace.repeats):
        with Watch(product.workers()) as watch:
            loads.append(load.run(request, connections, pace.seconds))
        peaks.append(watch.peak)
        product.settle()
    return Crowd(load.median_of(loads), max(peaks))
