"""Roll web pods over under load, as Kubernetes does, and count the requests that fail.

    python -m tests.services python -m campaigns.rolling_update --updates 10
    python -m tests.services python -m campaigns.rolling_update --updates 2 --pre-stop 0

Each update replaces every web server by a new one, one after the other. A server that ends goes through the life of a
pod: it leaves the endpoints of the service, but for ``--propagation`` seconds clients still open connections to it;
it sleeps for ``--pre-stop`` seconds (as on Kubernetes), gets SIGTERM, and drains; after the grace period it is
killed. Open connections stay with their server, as those through kube-proxy or of an ingress controller do.
It exits with 1 if a request failed, or if the audit log has an alarm. Without the sleep, requests must fail, which shows that the campaign notices.
"""

import argparse
import contextlib
import json
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import yaml

from tests.output import log
from tests.product import ROOT, Product
from tests.services.processes import dies_with_parent, free_port
from tests.waiting import wait_until

WEB = ROOT / "deploy" / "kubernetes" / "base" / "web.yaml"
COMMAND = [sys.executable, "-m", "ciphercanary.server", "web"]
PUBLIC_URL = "http://127.0.0.1"  # of all servers, because it is the issuer of their tokens
# An overloaded machine must not cause refusals, which would look like failures of the update.
PATIENT = {"CC_LOCK_WAIT_SECONDS": "25", "CC_DB_POOL_TIMEOUT": "25", "CC_AUDIT_LAG_LIMIT": "3600"}
GRACE_AFTER_SLEEP = 45  # seconds, as on Kubernetes
REQUESTS_PER_CONNECTION = 100
SHOWN = 5  # failures of each kind
CALM_SECONDS, BUSY_SECONDS = 3.0, 0.05  # pause between two requests of a client; every fourth is calm
START_SECONDS, RESPONSE_SECONDS = 300, 60


class Service:
    """The endpoints that clients connect to."""

    def __init__(self, propagation: float) -> None:
        self._propagation = propagation
        self._visible_until: dict[int, float] = {}

    def add(self, port: int) -> None:
        self._visible_until[port] = float("inf")

    def remove(self, port: int) -> None:
        self._visible_until[port] = time.monotonic() + self._propagation

    def endpoints(self) -> list[int]:
        now = time.monotonic()
        return [port for port, until in list(self._visible_until.items()) if now < until]

    def state(self, port: int) -> str:
        left = time.monotonic() - (self._visible_until[port] - self._propagation)
        return "of a serving pod" if left < 0 else f"{left:.1f} s after the pod began to end"


class Pod:
    """A web server of its own, on the database and the data folder of the product."""

    def __init__(self, product: Product) -> None:
        self.port = free_port()
        with (product.folder / "pods.log").open("ab") as output:
            self.process = subprocess.Popen(
                COMMAND,
                cwd=ROOT,
                env=product.environment | {"PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it only calls prctl
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, "a web server has ended; see pods.log"
        with contextlib.suppress(OSError), contextlib.closing(connect(self.port)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def end(self, pre_stop: float) -> float:
        """Return the seconds from SIGTERM to the end."""
        time.sleep(pre_stop)
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(GRACE_AFTER_SLEEP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return time.monotonic() - began


def connect(port: int) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
    connection.connect()
    connection.auto_open = 0  # a closed connection must not reopen unnoticed
    return connection


class Clients:
    """Threads that send requests over keep-alive connections, from entering the block until it is left."""

    def __init__(
        self, service: Service, requests: list[tuple[str, str, Any]], token: str, count: int
    ) -> None:
        self.succeeded = 0
        self.failures: Counter[str] = Counter()
        self._service = service
        self._requests = requests
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._pool = ThreadPoolExecutor(count)
        self._count = count
        self._ends = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._work, number) for number in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._pool.shutdown()
        for client in self._running:
            client.result()

    def _work(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - pauses and choices of a load
        pause = CALM_SECONDS if number % 4 == 0 else BUSY_SECONDS
        while not self._ends.is_set():
            step, port = "connect", chance.choice(self._service.endpoints())
            try:
                with contextlib.closing(connect(port)) as connection:
                    step = "request"
                    self._use(connection, chance, pause)
            except (OSError, HTTPException) as error:
                self._fail(f"{step} {type(error).__name__}", port)

    def _use(self, connection: HTTPConnection, chance: random.Random, pause: float) -> None:
        for _ in range(REQUESTS_PER_CONNECTION):
            if self._ends.is_set() or is_closed(connection):
                return
            method, path, body = chance.choice(self._requests)
            connection.request(method, path, body and json.dumps(body), self._headers)
            response = connection.getresponse()
            content = response.read()
            if response.status == 200:
                with self._lock:
                    self.succeeded += 1
            else:
                self._fail(f"{response.status} {json.loads(content)['code']}", connection.port)
            self._ends.wait(chance.uniform(0, 2 * pause))

    def _fail(self, what: str, port: int) -> None:
        with self._lock:
            self.failures[what] += 1
            if self.failures[what] <= SHOWN:
                log(f"  failed: {what}, {self._service.state(port)}")


def is_closed(connection: HTTPConnection) -> bool:
    """Whether the last response, or since then the server, has ended the connection. Clients check before each reuse."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def main() -> int:
    """Return 0 if every request was succeeded with 200."""
    options = parse()
    log(f"sleep before SIGTERM {options.pre_stop} s, endpoints known for {options.propagation} s more")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        product = Product(folder / "product", CC_PUBLIC_URL=PUBLIC_URL, **PATIENT)
        assert product.database, "run it inside python -m tests.services, or set DATABASE_URL"
        stack.enter_context(product)
        token = product.token()
        service = Service(options.propagation)
        pods = [start(product, service) for _ in range(options.replicas)]
        drained: list[float] = []
        with Clients(service, requests_to(product, token), token, options.clients) as clients:
            for number in range(options.updates):
                began, succeeded, failed = time.monotonic(), clients.succeeded, clients.failures.total()
                pods, seconds = update(product, service, pods, options.pre_stop)
                drained += seconds
                log(
                    f"update {number + 1}: {time.monotonic() - began:.0f} s, {clients.succeeded - succeeded} succeeded, "
                    f"{clients.failures.total() - failed} failed"
                )
        for pod in pods:
            pod.end(0)
        alarms = product.query("SELECT kind, found FROM audit_alarms")
    log(f"{clients.succeeded} succeeded, {clients.failures.total()} failed {dict(clients.failures) or ''}")
    log(f"a server ended at most {max(drained):.1f} s after SIGTERM")
    log(f"alarms of the audit log: {alarms}")
    return 1 if clients.failures or alarms else 0


def requests_to(product: Product, token: str) -> list[tuple[str, str, Any]]:
    """The fast path, the same operation over Django, and a read."""
    body = {"name": "rolling", "algorithm": "aes-256"}
    key = product.send("POST", "/api/v1/keys", body, token=token).json["id"]
    encrypt = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": key}
    return [
        ("POST", "/api/v1/encrypt", encrypt),
        ("POST", "/api/v1/encrypt?", encrypt),
        ("GET", f"/api/v1/keys/{key}", None),
    ]


def start(product: Product, service: Service) -> Pod:
    """A new pod gets requests once it is ready."""
    pod = Pod(product)
    wait_until(pod.is_ready, START_SECONDS)
    service.add(pod.port)
    return pod


def update(
    product: Product, service: Service, pods: list[Pod], pre_stop: float
) -> tuple[list[Pod], list[float]]:
    """Replace each pod: maxSurge 1, maxUnavailable 0. Return the new ones, and the seconds that old ones drained."""
    new: list[Pod] = []
    ending: list[Future[float]] = []
    with ThreadPoolExecutor(len(pods)) as pool:
        for old in pods:
            new.append(start(product, service))
            service.remove(old.port)
            ending.append(pool.submit(old.end, pre_stop))
    return new, [each.result() for each in ending]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    documents = yaml.safe_load_all(WEB.read_text())
    pod = next(each for each in documents if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pre-stop", type=float, default=sleep)
    parser.add_argument("--propagation", type=float, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
