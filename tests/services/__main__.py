"""Start missing services, run the command with their addresses in its environment, and stop them."""

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.services.postgresql import PostgreSQL, kept_data
from tests.services.processes import Unavailable, ends_like_a_signal, run_to_end
from tests.services.redis import Redis
from tests.services.rights import folder_for_servers

SOURCE = "CC_TEST_SERVICES"
ADDRESSES = {
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:{port}/ciphercanary",
    "REDIS_URL": "redis://127.0.0.1:{port}/0",
}


def main(command: list[str]) -> int:
    """Return the exit code of `command`, 2 without a command, 1 if a service is unavailable."""
    if not command:
        sys.stderr.write("usage: python -m tests.services COMMAND...\n")
        return 2
    with ExitStack() as stack, ends_like_a_signal():
        try:
            environment = os.environ | start_missing(stack)
            environment.pop(SOURCE, None)  # tests of this wrapper start the programs
        except Unavailable as reason:
            sys.stderr.write(f"tests.services: {reason}\n")
            return 1
        return run_to_end(command, environment)


def start_missing(stack: ExitStack) -> dict[str, str]:
    """Start each service that the environment does not name; `stack` stops them. Return their URLs."""
    durable = os.environ.get("CC_TEST_DURABLE") == "1"
    missing = [name for name in ADDRESSES if not os.environ.get(name)]
    if os.environ.get(SOURCE) == "containers":
        from tests.services import containers  # noqa: PLC0415 - only its users need testcontainers

        sources = {
            "DATABASE_URL": partial(containers.postgresql, durable=durable),
            "REDIS_URL": containers.redis_server,
        }
        return {name: stack.enter_context(sources[name]()) for name in missing}
    return start_programs(stack, dict.fromkeys(missing, 0), durable=durable)


def start_programs(stack: ExitStack, missing: Mapping[str, int], *, durable: bool) -> dict[str, str]:
    """Start the missing services from the system's programs or the wheels', on these ports; 0 is any free one."""
    urls: dict[str, str] = {}
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="services-", dir=folder_for_servers()))
    )
    folder.chmod(0o711)  # PostgreSQL's own user passes through; each service's folder below is private
    if "DATABASE_URL" in missing:
        on_socket = os.environ.get("CC_TEST_SOCKET") == "1"
        kept = None if durable else kept_data()
        server = PostgreSQL(folder / "postgresql", durable=durable, on_socket=on_socket, kept=kept)
        server.port = missing["DATABASE_URL"]
        server.stop_signals = (signal.SIGQUIT, signal.SIGKILL)  # at once: its data is removed next
        urls["DATABASE_URL"] = stack.enter_context(server).url
    if "REDIS_URL" in missing:
        redis = Redis(folder / "redis")
        redis.port = missing["REDIS_URL"]
        urls["REDIS_URL"] = stack.enter_context(redis).url
    return urls


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
