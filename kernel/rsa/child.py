"""The RSA process as its parent sees it, and the places of the requests that may wait for it."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import Final

from kernel import installation
from kernel.errors import Overloaded

logger = logging.getLogger(__name__)

# With the waits for the database, both end within the 30 seconds that a proxy waits. A generation takes one second at most,
# and ten on a very busy machine; a process that takes longer is replaced.
TURN_SECONDS: Final = 6.0
REPLY_SECONDS: Final = 12.0
# Others may be secrets, such as CC_KEK, and the program needs none.
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH")


class Child:
    """A running RSA process. The first request waits for its start, about a fifth of a second."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "kernel.rsa.program", str(theirs.fileno())],
                cwd=installation.ROOT,  # from which `-m` imports
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},  # noqa: TID251 - the program inherits a few variables
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is for the server
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, request: bytes) -> bytes:
        """The reply. Raises OSError or EOFError if none arrives."""
        self._connection.send_bytes(request)
        if not self._connection.poll(REPLY_SECONDS):
            raise TimeoutError
        return self._connection.recv_bytes()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()


class RsaProcess:
    """The RSA process of a web process, started by the first request that needs it, and replaced if it fails.

    It works for one of ``places`` requests; the others wait.
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._turn = threading.Lock()
        self._child: Child | None = None

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the block. Raises Overloaded at once if none is free."""
        if not self._places.acquire(blocking=False):
            raise Overloaded
        try:
            yield
        finally:
            self._places.release()

    def ask(self, request: bytes) -> bytes:
        """Wait for the reply of ``kernel.rsa.program``. Only with a place. Raises Overloaded if there is none."""
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise Overloaded
        try:
            return self._running().ask(request)
        except (OSError, EOFError) as error:
            logger.warning("the RSA process did not reply and is replaced: %s", type(error).__name__)
            self.close()
            raise Overloaded from None
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the process. The next request starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _running(self) -> Child:
        if self._child is not None and self._child.has_ended:
            self.close()
        self._child = self._child or Child()
        return self._child
