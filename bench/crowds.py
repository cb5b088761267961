"""Measures thousands of busy keep-alive connections at once, and the memory of the web workers."""

from dataclasses import dataclass

from bench import load
from bench.contestant import ENCRYPT
from bench.load import Load
from bench.product import CipherCanary
from bench.singles import Pace
from bench.watch import Watch

CONNECTIONS = (1000, 5000)


@dataclass(frozen=True)
class Crowd:
    """``peak`` is the resident memory of the larger web worker, in bytes."""

    load: Load
    peak: int


def measure(product: CipherCanary, connections: int, pace: Pace) -> Crowd:
    request = product.request(ENCRYPT)
    loads, peaks = [], []
    for _ in range(pace.repeats):
        with Watch(product.workers()) as watch:
            loads.append(load.run(request, connections, pace.seconds))
        peaks.append(watch.peak)
        product.settle()
    return Crowd(load.median_of(loads), max(peaks))
