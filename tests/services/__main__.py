"""Start missing services, run the command with their addresses in its environment, and stop them."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.services.postgresql import PostgreSQL
from tests.services.processes import Unavailable, ends_like_a_signal, run_to_end
from tests.services.redis import Redis
from tests.services.rights import folder_for_servers


def main(command: list[str]) -> int:
    """Return the exit code of `command`, 2 without a command, 1 if a service is unavailable."""
    if not command:
        sys.stderr.write("usage: python -m tests.services COMMAND...\n")
        return 2
    with ExitStack() as stack, ends_like_a_signal():
        try:
            environment = os.environ | start_missing(stack)
        except Unavailable as reason:
            sys.stderr.write(f"tests.services: {reason}\n")
            return 1
        return run_to_end(command, environment)


def start_missing(stack: ExitStack) -> dict[str, str]:
    """Start each service that the environment does not name; `stack` stops them. Return their URLs."""
    urls: dict[str, str] = {}
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="services-", dir=folder_for_servers()))
    )
    folder.chmod(0o711)  # PostgreSQL's own user passes through; each service's folder below is private
    if not os.environ.get("DATABASE_URL"):
        durable = os.environ.get("CC_TEST_DURABLE") == "1"
        urls["DATABASE_URL"] = stack.enter_context(PostgreSQL(folder / "postgresql", durable=durable)).url
    if not os.environ.get("REDIS_URL"):
        urls["REDIS_URL"] = stack.enter_context(Redis(folder / "redis")).url
    return urls


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
