"""Run a command of this application on another database, in another process: settings are those of one database."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from kernel import installation

# These belong to the installation, and not to a copy of it.
_LEFT_OUT = {
    "DATABASE_URL_FILE",
    "REDIS_URL",
    "REDIS_URL_FILE",
    "CELERY_BROKER_URL",
    "CELERY_BROKER_URL_FILE",
}


def run_on_other_database(*arguments: str, url: str, home: Path | None = None) -> int:
    """Run the command and return its exit code. It writes to the terminal of this process.

    ``home`` is its data folder; None for that of this process.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}  # noqa: TID251 - the command on the other database inherits it
    path = os.pathsep.join([str(installation.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # noqa: TID251 - the command on the other database inherits it
    environment |= {"DATABASE_URL": url, "CC_HOME": str(home or settings.CC_HOME), "PYTHONPATH": path}
    # -P: import nothing from the current folder, which another user may own.
    command = [sys.executable, "-P", "-m", "ciphercanary.manage", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own commands
