from collections.abc import Iterator

import pytest

from tests.services.redis import Redis


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of the test file, which its tests may stop and start."""
    with Redis(tmp_path_factory.mktemp("redis") / "redis") as running:
        yield running
