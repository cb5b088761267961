"""Network namespaces on this machine, each like a machine of its own on two networks. Needs root and iproute2.

``front`` connects the nodes with the proxy, ``back`` with the database and Redis. This machine has the first address
of both. Everything is removed when the block ends, and what a killed run has left is removed before.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.services.processes import Unavailable

PREFIX = "ccnode"  # of namespaces and interfaces, whose names have at most 15 characters
FRONT, BACK = "198.18.77", "198.18.78"  # in the range for tests of networks, RFC 2544
BRIDGES = {"f": FRONT, "b": BACK}
LOCK_FILE = Path(tempfile.gettempdir()) / f"{PREFIX}.lock"


def ip(*words: str) -> None:
    """Run ip(8). Raises Unavailable with its message."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Network:
    """Both bridges, and ``count`` namespaces, from entering the block to leaving it. One at a time per machine."""

    def __init__(self, count: int) -> None:
        self.names = [f"{PREFIX}{number}" for number in range(1, count + 1)]

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise Unavailable("network namespaces need root and the package iproute2")
        self._lock = LOCK_FILE.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another run of campaigns.nodes is using these namespaces") from None
        self._remove()
        try:
            self._create()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()
        self._lock.close()

    def front_of(self, number: int) -> str:
        """The address of a node for the proxy; nodes count from 0."""
        return f"{FRONT}.{number + 11}"

    def inside(self, number: int) -> list[str]:
        """The words before a command that runs in a node."""
        return ["ip", "netns", "exec", self.names[number]]

    @contextlib.contextmanager
    def without_back(self, number: int) -> Iterator[None]:
        """Inside the block, no packet passes between the node and the database or Redis, and nothing reports that."""
        ip("link", "set", f"{self.names[number]}b", "down")
        try:
            yield
        finally:
            ip("link", "set", f"{self.names[number]}b", "up")

    def _create(self) -> None:
        for letter, network in BRIDGES.items():
            ip("link", "add", f"{PREFIX}-{letter}", "type", "bridge")
            ip("address", "add", f"{network}.1/24", "dev", f"{PREFIX}-{letter}")
            ip("link", "set", f"{PREFIX}-{letter}", "up")
        for number, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            for letter, network in BRIDGES.items():
                outside, inside = f"{name}{letter}", f"eth-{letter}"
                ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
                ip("link", "set", outside, "master", f"{PREFIX}-{letter}", "up")
                ip("-n", name, "address", "add", f"{network}.{number + 11}/24", "dev", inside)
                ip("-n", name, "link", "set", inside, "up")

    def _remove(self) -> None:
        for name in self.names:
            with contextlib.suppress(Unavailable):
                ip("netns", "delete", name)
            for letter in BRIDGES:
                with contextlib.suppress(Unavailable):
                    ip("link", "delete", f"{name}{letter}")
        for letter in BRIDGES:
            with contextlib.suppress(Unavailable):
                ip("link", "delete", f"{PREFIX}-{letter}")
