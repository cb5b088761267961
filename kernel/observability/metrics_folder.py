"""The folder where processes write their metrics, so that one of them can return the metrics of all.

prometheus_client reads the name of the folder when it is imported, so this module does not import it.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def create() -> str:
    """A new folder. The id of this process is a part of its name; see ``remove_at_exit``."""
    return tempfile.mkdtemp(prefix=_prefix())


def current() -> str:
    """The folder of this process, "" without one."""
    return os.environ.get(VARIABLE, "")  # noqa: TID251 - prometheus_client reads it from there, too


def remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def remove_at_exit() -> None:
    """Remove the folder when this process exits, if this process created it. exec(3) keeps the process."""
    atexit.register(_remove_own)


def _remove_own() -> None:
    # A forked child has the same exit handlers, but another id.
    if Path(current()).name.startswith(_prefix()):
        remove(current())


def _prefix() -> str:
    return f"ciphercanary-metrics-{os.getpid()}-"
