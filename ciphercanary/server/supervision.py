"""Runs several processes as a unit: the part of ``bin/serve`` that supervises its servers."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

logger = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK = 0.1  # seconds
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0  # seconds before a program that exited is restarted
_STEADY = 10.0  # seconds: a program that ran this long restarts with _FIRST_DELAY again
_PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Program:
    """A command line, and the seconds that it may take to exit before it is killed."""

    name: str
    command: Sequence[str]
    stop_timeout: float


class _Child:
    """A running program. It has its own process group, so that only we receive Ctrl-C and control the stop order."""

    def __init__(self, program: Program, environment: Mapping[str, str], descriptors: Sequence[int]) -> None:
        self.program = program
        self._environment, self._descriptors = environment, descriptors
        self._delay = _FIRST_DELAY
        self._due = 0.0
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self._is_exit_logged = False
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            self.program.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            pass_fds=self._descriptors,
            process_group=0,
            preexec_fn=_exit_with_parent(os.getpid()),  # noqa: PLW1509 - this process has one thread
        )

    def keep_running(self) -> None:
        """Restart the program if it exited: after a second at first, with increasing delay."""
        if self.process.poll() is None:
            return
        now = time.monotonic()
        if not self._is_exit_logged:
            self._log_exit(now)
        elif now >= self._due:
            self._start()

    def _log_exit(self, now: float) -> None:
        self._delay = _FIRST_DELAY if now - self._started > _STEADY else self._delay
        logger.error(
            "%s ended with code %s; it is started again in %.0f s",
            self.program.name,
            self.process.returncode,
            self._delay,
        )
        self._is_exit_logged, self._due = True, now + self._delay
        self._delay = min(self._delay * 2, _LONGEST_DELAY)

    def stop(self, number: int) -> int:
        """Signal the program to exit, and kill it if it does not. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(self.program.stop_timeout)
        logger.error("%s did not end in %.0f s: killed", self.program.name, self.program.stop_timeout)
        self.process.kill()
        return self.process.wait()


def run_together(
    programs: Sequence[Program],
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    announce: Callable[[], bool],
) -> int:
    """Start the programs in order, restart them, and stop them in reverse order. Returns the last one's exit code.

    Stops on a stop signal or when the last program exits. The programs inherit ``descriptors``. If this process is
    killed, the kernel sends the programs SIGTERM (Linux). ``announce`` is called until it returns true.
    """
    children: list[_Child] = []
    with _stop_requests() as received:
        try:
            children.extend(_Child(program, environment, descriptors) for program in programs)
            _watch(children, received, announce)
        finally:
            codes = [child.stop(number) for child, number in _stops(children, received)]
    return codes[0]


def _stops(children: Sequence[_Child], received: Sequence[int]) -> Iterator[tuple[_Child, int]]:
    *others, main = children
    # Pass Ctrl-C on unchanged: after SIGINT, gunicorn does not wait for idle connections.
    yield main, signal.SIGINT if signal.SIGINT in received else signal.SIGTERM
    yield from ((child, signal.SIGTERM) for child in reversed(others))


def _watch(children: Sequence[_Child], received: Sequence[int], announce: Callable[[], bool]) -> None:
    *others, main = children
    is_announced = False
    while not received and main.process.poll() is None:
        for child in others:
            child.keep_running()
        is_announced = is_announced or announce()
        time.sleep(_TICK)


@contextmanager
def _stop_requests() -> Iterator[Sequence[int]]:
    """The stop signals received so far, recorded instead of handled at once."""
    received: list[int] = []

    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    # Keep ignored signals ignored: nohup lets the process outlive the terminal.
    numbers = [n for n in _STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit_with_parent(parent: int) -> Callable[[], None]:
    """Runs in the child before its program: the kernel will send SIGTERM when the parent exits."""

    def set_parent_death_signal() -> None:
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # the parent was killed between the fork and the prctl call
                os._exit(1)

    return set_parent_death_signal
