"""Loads the product for many minutes, at the highest rate that the sequencer follows."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from bench import load
from bench.contestant import ENCRYPT
from bench.load import Load
from bench.log_costs import Meter
from bench.table import number

CONNECTIONS = 256
EVERY_SECONDS = 10
LARGEST_LAG = 10  # seconds; the product throttles at 30
SPARE_BYTES = 5 << 30  # of the disk
MEGABYTE = 1e6
HEADINGS = ("process", "MB at the start", "at the end", "at most")

type Log = Callable[[str], None]


class Sustained:
    """A load of many minutes, and what was seen every ten seconds: the lag, and the memory of each process."""

    def __init__(self, meter: Meter, log: Log) -> None:
        self.meter, self.log = meter, log
        self.connections = CONNECTIONS
        self.lags: list[float] = []
        self.memory = [meter.memory()]
        self._began = self._seen_at = self._entries = 0.0

    def run(self, minutes: int, folder: Path) -> Load:
        """Return the median of all minutes. Ends early if the disk of ``folder`` is almost full."""
        loads = []
        self._began = self._seen_at = time.monotonic()
        self._entries = self.meter.entries()
        with ThreadPoolExecutor(1) as pool:
            for _ in range(minutes):
                loads.append(self._minute(pool))
                self.connections = adapted(self.connections, self.lags)
                if shutil.disk_usage(folder).free < SPARE_BYTES:
                    self.log("the disk is almost full")
                    break
        return load.median_of(loads)

    def _minute(self, pool: ThreadPoolExecutor) -> Load:
        request = self.meter.ours.request(ENCRYPT)
        loading = pool.submit(load.run, request, self.connections, 60)
        while wait([loading], EVERY_SECONDS).not_done:
            self._look()
        return loading.result()

    def _look(self) -> None:
        now, entries = time.monotonic(), self.meter.entries()
        rate = (entries - self._entries) / (now - self._seen_at)
        self._seen_at, self._entries = now, entries
        self.lags.append(self.meter.lag())
        self.memory.append(self.meter.memory())
        used = ", ".join(f"{kind} {size / MEGABYTE:.0f}" for kind, size in self.memory[-1].items())
        self.log(
            f"{now - self._began:>5.0f} s  c={self.connections:<4} {number(rate):>7} entries/s"
            f"  lag {self.lags[-1]:5.2f} s  MB: {used}"
        )


def adapted(connections: int, lags: list[float]) -> int:
    """Half of the connections if the lag is too large and still grows."""
    is_growing = lags[-1] > max([LARGEST_LAG, *lags[-4:-1]])
    return max(1, connections // 2) if is_growing else connections


def memory_rows(memory: list[dict[str, int]]) -> list[list[str]]:
    """Megabytes of each process at the start, at the end, and at most."""
    first, last = memory[0], memory[-1]
    most = {kind: max(each[kind] for each in memory) for kind in first}
    return [[kind, *(f"{each[kind] / MEGABYTE:.0f}" for each in (first, last, most))] for kind in first]
