"""pytest plugin: starts PostgreSQL and Redis only if a selected test needs one of them.

Settings and tests read the addresses when they are imported, so the ports are chosen and held before.
"""

import os
import socket
from contextlib import ExitStack

import pytest

from tests.services.__main__ import ADDRESSES, start_programs
from tests.services.processes import free_port
from tests.sqlite_half import needs_services, touches_database

# The levels whose tests start the product or other processes.
LEVELS = ("process", "browser", "sweep", "zap")

MISSING = [name for name in ADDRESSES if not os.environ.get(name)]
STACK = ExitStack()
HELD = {name: socket.create_server(("127.0.0.1", free_port())) for name in MISSING}
PORTS = {name: held.getsockname()[1] for name, held in HELD.items()}
os.environ |= {name: ADDRESSES[name].format(port=port) for name, port in PORTS.items()}


def pytest_collection_finish(session: pytest.Session) -> None:
    if any(map(needs_a_server, session.items)) and not session.config.option.collectonly:
        release_ports()
        start_programs(STACK, PORTS, durable=False)


def release_ports() -> None:
    for held in HELD.values():
        held.close()


def needs_a_server(item: pytest.Item) -> bool:
    return touches_database(item) or needs_services(item) or any(map(item.get_closest_marker, LEVELS))


def pytest_unconfigure() -> None:
    release_ports()
    STACK.close()
