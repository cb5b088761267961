"""Fixtures of the sequencing tests; their shared functions are in ``tests.audit.sequencing.log``."""

import pytest

from tests.audit.sequencing.log import listening


@pytest.fixture
def udp_server():
    with listening("udp") as server:
        yield server


@pytest.fixture
def tcp_server():
    with listening("tcp") as server:
        yield server
