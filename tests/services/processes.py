"""Processes that never outlive the caller: a server on its own port, and a command that runs to its end."""

import contextlib
import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pwd import struct_passwd
from types import FrameType
from typing import ClassVar, Self, TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_SECONDS = 30
PORT_ATTEMPTS = 3
LIBC = ctypes.CDLL(None)


class Unavailable(Exception):  # the name describes the problem, as in kernel.errors
    """A service is unavailable here; the text gives the cause and a remedy."""


def dies_with_parent(signum: int) -> Callable[[], None]:
    """Return a `preexec_fn` that makes the kernel send `signum` if our process is killed (Linux)."""

    def set_parent_death_signal() -> None:
        # The background jobs of a shell inherit that it is ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.platform == "linux":
            LIBC.prctl(PR_SET_PDEATHSIG, signum)

    return set_parent_death_signal


class Ownership(TypedDict, total=False):
    """The arguments of `subprocess` that set the user and groups of a process."""

    user: int
    group: int
    extra_groups: list[int]


def ownership(account: struct_passwd | None) -> Ownership:
    """Return the arguments that make `subprocess` run as `account`; None keeps the current user."""
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def major_version(program: Path, account: struct_passwd | None = None) -> int:
    """Return the first number that `program --version` prints when run as `account`, 0 if it does not run."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, cwd="/", **ownership(account)
        )
    except (OSError, subprocess.CalledProcessError):
        return 0
    number = re.search(r"\d+", done.stdout)
    return int(number[0]) if number else 0


def free_port() -> int:
    """Avoid the kernel's range for outgoing connections, one of which could take the port before the server."""
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311 - only to avoid collisions
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Server:
    """A server in `folder` on a free loopback port; it runs from entering the block to leaving it."""

    name: str
    stop_signals: ClassVar[tuple[int, ...]] = (signal.SIGTERM, signal.SIGKILL)
    account: struct_passwd | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        self.port = 0  # any free one
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def responds(self) -> bool:
        """Return whether the server on the port is ready, and is the one started here."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        chosen = self.port
        for _ in range(PORT_ATTEMPTS):  # another process may take the port after the check
            self.port = chosen or free_port()
            with contextlib.suppress(TimeoutError):
                self.start()
                return self
        raise Unavailable(f"{self.name} does not start:\n{self.log.read_text()[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Start on the port chosen before, so that a test can kill the server and bring it back."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={k: v for k, v in os.environ.items() if not k.startswith("PG")}
                | {"LC_ALL": "C"}
                | self.environment,
                start_new_session=True,  # Ctrl-C is for the command, which needs its services to the end
                preexec_fn=dies_with_parent(self.stop_signals[0]),  # noqa: PLW1509  # no threads here
                **ownership(self.account),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.responds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise TimeoutError(self.name)
            time.sleep(0.02)

    def stop(self) -> None:
        for signum in self.stop_signals:
            if self.process is None or self.process.poll() is not None:
                return
            self.process.send_signal(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)


def run_to_end(command: Sequence[str], environment: dict[str, str]) -> int:
    """Run `command`, forward signals to it, and end all processes that it leaves; return its exit code.

    A command that a signal ended gives 128 + signal, one that is not found 127, as in a shell.
    """
    older = children()
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of the command become our children
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509  # no threads here
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127

    def hand_on(signum: int, _: FrameType | None) -> None:
        if signum != signal.SIGINT or not in_foreground():
            process.send_signal(signum)

    with handling(hand_on):
        code = process.wait()
    while left := children() - older:
        end(left)
    return code if code >= 0 else 128 - code


def in_foreground() -> bool:
    """Return whether a terminal sends Ctrl-C to the whole process group, and thus to the command as well."""
    return sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def children() -> set[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for file in lists for pid in file.read_text().split()}


def end(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@contextlib.contextmanager
def handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {signum: signal.signal(signum, handler) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)


def ends_like_a_signal() -> contextlib.AbstractContextManager[None]:
    """Turn a signal into an ordinary exit, so that the surrounding blocks stop what they started."""

    def leave(signum: int, _: FrameType | None) -> None:
        sys.exit(128 + signum)

    return handling(leave)
