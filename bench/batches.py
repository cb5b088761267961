"""Measures requests with many messages each."""

from dataclasses import dataclass
from statistics import median

from bench import load
from bench.load import Load
from bench.openbao import OpenBao
from bench.product import CipherCanary
from bench.singles import Pace
from bench.watch import Watch

CONNECTIONS = 8
ITEMS = 1000
COMMON_ITEMS = 400  # OpenBao refuses 1,000 as too complex
NOT_FOUND = 404


@dataclass(frozen=True)
class BatchMeasurement:
    """Messages per second: in total, and per second of CPU time of the web workers."""

    items: int
    rate: float
    rate_per_core: float
    load: Load


def measure_ours(product: CipherCanary, items: int, pace: Pace) -> BatchMeasurement | None:
    """Return None if the product has no such endpoint."""
    request = product.batch(items)
    if request.status() == NOT_FOUND:
        return None
    load.run(request, CONNECTIONS, pace.warm_up)
    loads, per_core = [], []
    for _ in range(pace.repeats):
        with Watch(product.workers()) as watch:
            loads.append(load.run(request, CONNECTIONS, pace.seconds))
        per_core.append(loads[-1].rate * items / max(watch.cores, 0.01))
        product.settle()
    middle = load.median_of(loads)
    return BatchMeasurement(items, middle.rate * items, median(per_core), middle)


def measure_openbao(server: OpenBao, items: int, pace: Pace) -> BatchMeasurement:
    request = server.batch(items)
    load.run(request, CONNECTIONS, pace.warm_up)
    loads = []
    for _ in range(pace.repeats):
        loads.append(load.run(request, CONNECTIONS, pace.seconds))
        server.settle()
    middle = load.median_of(loads)
    return BatchMeasurement(items, middle.rate * items, 0.0, middle)
