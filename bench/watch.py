"""Measures the CPU time and resident memory of processes while a block runs."""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

from bench.load import Load
from tests.product import all_processes, command_line, parent_of

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY_SECONDS = 0.05
KINDS = {
    "web workers": "gunicorn",
    "PostgreSQL": "postgres",
    "sequencer": "run_sequencer",
    "OpenBao": "bao server",
}


class Watch:
    """Watches processes from entering the block to leaving it.

    Afterwards ``cpu_seconds`` is the CPU time of all processes together, and ``cores`` the same per elapsed
    second. ``before`` and ``peak`` are the bytes of the largest process.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self.pids = set(pids)
        self.cpu_seconds = self.cores = self.seconds = 0.0
        self.before = self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self.before = self.peak = self._largest()
        self._cpu = self._used()
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self.cpu_seconds = self._used() - self._cpu
        self.cores = self.cpu_seconds / self.seconds
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.peak = max(self.peak, self._largest())

    def _largest(self) -> int:
        return max(map(resident_bytes, self.pids), default=0)

    def _used(self) -> float:
        return sum(map(cpu_seconds, self.pids))


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """User and system time of a process, or 0.0 if it has ended (proc_pid_stat(5))."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / TICKS
    return 0.0


def family_cpu_seconds(pid: int) -> float:
    """The same of a process and its children, including those that have ended."""
    return cpu_seconds(pid, with_ended_children=True) + sum(map(cpu_seconds, children_of(pid)))


def children_of(pid: int) -> set[int]:
    return {child for child in all_processes() if parent_of(child) == pid}


def resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


def costs_of(measure: Callable[[], Load]) -> Load:
    """The load with the CPU time of each kind of process for one response."""
    before = used()
    found = measure()
    after = used()
    succeeded = max(1, found.succeeded)
    return replace(found, cpu={kind: (after[kind] - before[kind]) / succeeded * 1e6 for kind in KINDS})


def used() -> Counter[str]:
    """CPU seconds of all running processes, by kind."""
    seconds: Counter[str] = Counter()
    for pid in all_processes():
        words = command_line(pid)
        for kind, word in KINDS.items():
            if word in words:
                seconds[kind] += cpu_seconds(pid)
                break
    return seconds
