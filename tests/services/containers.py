"""PostgreSQL and Redis for tests as containers, for machines with Docker: `bin/test --services=containers`.

CC_TEST_POSTGRESQL_IMAGE and CC_TEST_REDIS_IMAGE name other images. testcontainers' own variables and DOCKER_HOST
select the engine.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import redis
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from tests.services.postgresql import DATABASE, FORGETFUL
from tests.services.processes import Unavailable

POSTGRESQL_IMAGE, REDIS_IMAGE = "postgres:17", "redis:7"
START_SECONDS = 120  # the image creates its data first


@contextmanager
def postgresql(*, durable: bool) -> Iterator[str]:
    """Run a server with the settings of `tests.services.postgresql`, and yield its URL."""
    password = secrets.token_hex()  # the port may be open to other machines
    settings = ("max_connections=300", "timezone=UTC", *(() if durable else FORGETFUL))
    command = ["postgres", *(part for setting in settings for part in ("-c", setting))]
    image = os.environ.get("CC_TEST_POSTGRESQL_IMAGE", POSTGRESQL_IMAGE)
    environment = {
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C --no-sync",
    }

    def url_at(address: str) -> str:
        return f"postgresql://postgres:{password}@{address}/{DATABASE}"

    with running(image, 5432, command, environment, url_at, postgresql_responds) as url:
        yield url


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a server with the settings of `tests.services.redis`, and yield its URL."""
    password = secrets.token_hex()
    command = [
        "redis-server",
        "--requirepass",
        password,
        "--databases",
        "64",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    image = os.environ.get("CC_TEST_REDIS_IMAGE", REDIS_IMAGE)
    with running(image, 6379, command, {}, lambda at: f"redis://:{password}@{at}/0", redis_responds) as url:
        yield url


@contextmanager
def running(
    image: str,
    port: int,
    command: list[str],
    environment: Mapping[str, str],
    url_at: Callable[[str], str],
    responds: Callable[[str], bool],
) -> Iterator[str]:
    """Run a container from entering the block to leaving it. Yields the URL as soon as it responds."""
    try:
        container = DockerContainer(image, command=command, env=dict(environment)).with_exposed_ports(port)
        with container:
            url = url_at(f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}")
            wait_for(container, lambda: responds(url))
            yield url
    except DockerException as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(
            f"the container {image} does not start: {reason}\n"
            "Start Docker, name its socket in DOCKER_HOST, or run the tests without --services=containers."
        ) from None


def wait_for(container: DockerContainer, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if time.monotonic() > deadline or container.get_wrapped_container().status == "exited":
            output = b"".join(container.get_logs()).decode(errors="replace")
            raise Unavailable(f"the container {container.image} does not respond:\n{output[-2000:]}")
        time.sleep(0.1)


def postgresql_responds(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def redis_responds(url: str) -> bool:
    try:
        with redis.from_url(url, socket_timeout=5) as client:
            return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False
