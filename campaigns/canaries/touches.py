"""Touch canaries while processes and Redis are killed, the mail server is down, and others flood the log with refusals.

    python -m tests.services python -m campaigns.canaries.touches --touches 10000 --flood 100000

runs on PostgreSQL; without ``tests.services`` on SQLite. At the end, each entry about a canary must be in the journal
exactly once, and each acknowledged touch must be in the log. It prints the times from the touch to its record in the
journal, and from the first touch of an incident to the arrival of its notice at an HTTPS receiver.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import uuid4

from campaigns.canaries.population import wait_for_the_watcher
from campaigns.installations import installation
from tests.notifications.servers import Receiver, server_context, serving
from tests.output import log
from tests.product import Product
from tests.services.processes import free_port
from tests.services.redis import Redis

CANARIES, TOKENS, CLIENTS, FLOODERS = 20, 20, 4, 2
CLOSING_SECONDS = 20  # so that each token opens several incidents
TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}
ENCRYPTED = "crypto.message.encrypted"
PROCESSES = ("gunicorn: worker", "run_sequencer", "run_worker")
REDIS, REDIS_SECONDS = "redis", 4
OFFICER = "officer@example.org"
SETTINGS = {
    "CC_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "CC_SMTP_HOST": "127.0.0.1",
    "CC_SMTP_PORT": str(free_port()),  # no server listens there
    "CC_SMTP_SECURITY": "none",
    "CC_NOTIFY_FROM": OFFICER,
    "CC_NOTIFY_EMAILS": OFFICER,
}


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="touches-") as name:
        folder = Path(name)
        context, ca_file = server_context(folder)
        with Redis(folder / "redis") as redis, serving(Receiver(context)) as receiver:
            settings = {"CC_WEBHOOK_CA_FILE": ca_file, "REDIS_URL": redis.url} | SETTINGS
            with installation(folder, **settings) as product, product:
                Campaign(product, receiver, redis, options).play()
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--touches", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=300, help="over which the touches are spread (300)")
    parser.add_argument(
        "--flood", type=int, default=100_000, help="refused requests with other keys meanwhile"
    )
    parser.add_argument("--pause", type=float, default=8.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


class Campaign:
    def __init__(
        self, product: Product, receiver: Receiver, redis: Redis, options: argparse.Namespace
    ) -> None:
        self.product, self.receiver, self.redis, self.options = product, receiver, redis, options
        self.chance = random.Random(options.seed)  # noqa: S311 - moments are no secret
        self.began = time.monotonic()
        self.arrivals: dict[str, float] = {}
        self.acknowledged = self.unknown = self.flooded = 0
        self.kills = Counter[str]()
        self.lock, self.over = threading.Lock(), threading.Event()
        receiver.response = self.take

    def play(self) -> None:
        self.plant()
        threads = [threading.Thread(target=self.touch, args=[number]) for number in range(CLIENTS)]
        others = [threading.Thread(target=self.flood) for _ in range(FLOODERS)]
        others += [threading.Thread(target=self.kill), threading.Thread(target=self.close_incidents)]
        for thread in [*threads, *others]:
            thread.start()
        for thread in threads:
            thread.join()
        self.over.set()
        for thread in others:
            thread.join()
        self.tell(
            f"{self.acknowledged} touches acknowledged, {self.unknown} with an unknown outcome, {self.flooded} other "
            f"refusals, killed: {dict(self.kills)}, seed {self.options.seed}"
        )
        wait_for_the_watcher(self.product)
        self.compare()

    def plant(self) -> None:
        from canaries.documents import HOST, ChannelKind, Kind  # noqa: PLC0415 - needs Django
        from canaries.services.channels import add_channel  # noqa: PLC0415 - likewise
        from canaries.services.planting import plant_canary  # noqa: PLC0415 - likewise

        token = self.product.create_user("dora", "developer")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        self.keys = [
            self.product.send(
                "POST", "/api/v1/keys", {"name": f"k-{n}", "algorithm": "aes-256"}, token=token
            ).json["id"]
            for n in range(CANARIES)
        ]
        self.tokens = [
            self.product.send(
                "POST",
                "/api/v1/tokens",
                {"name": f"t-{n}", "scopes": ["encrypt"], "expires_at": tomorrow},
                token=token,
            ).json["token"]
            for n in range(TOKENS)
        ]
        add_channel(by=HOST, kind=ChannelKind.EMAIL, target=OFFICER)
        add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://127.0.0.1:{self.receiver.port}/")
        for key in self.keys:
            plant_canary(by=HOST, kind=Kind.KEY, object_id=key, note="")
        self.tell(f"{CANARIES} canaries planted")

    # --- load

    def touch(self, number: int) -> None:
        chance = random.Random(self.options.seed + number)  # noqa: S311 - no secret
        for _ in range(self.options.touches // CLIENTS):
            key, token = chance.choice(self.keys), chance.choice(self.tokens)
            outcome = self.send(key, token)
            time.sleep(CLIENTS * self.options.seconds / self.options.touches)
            with self.lock:
                self.acknowledged += outcome == 200
                self.unknown += outcome is None

    def send(self, key: str, token: str) -> int | None:
        """The status; None without a response, after which the touch may be on record or not."""
        try:
            return self.product.send("POST", "/api/v1/encrypt", {"key_id": key, **TEXT}, token=token).status
        except (OSError, HTTPException):
            time.sleep(0.2)  # the server restarts
            return None

    def flood(self) -> None:
        while not self.over.is_set() and self.flooded < self.options.flood:
            with suppress(OSError, HTTPException), self.product.connect() as client:
                for _ in range(1000):
                    client.send("GET", f"/api/v1/keys/{uuid4()}")
                    with self.lock:
                        self.flooded += 1
                    if self.over.is_set():
                        return

    def kill(self) -> None:
        while not self.over.wait(self.options.pause):
            what = self.chance.choice([*PROCESSES, REDIS])
            if what == REDIS:
                self.kills[what] += 1
                self.kill_redis()
                continue
            for pid in self.product.processes_of(what):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.kills[what] += 1

    def kill_redis(self) -> None:
        assert self.redis.process
        self.redis.process.kill()
        self.redis.process.wait()
        time.sleep(REDIS_SECONDS)
        self.redis.start()

    def close_incidents(self) -> None:
        """So that the next touch of each token opens another one, whose notice is timed."""
        from django.db import connection  # noqa: PLC0415 - needs Django

        from canaries.documents import Status  # noqa: PLC0415 - likewise
        from canaries.sealed.store import changing  # noqa: PLC0415 - likewise

        while not self.over.wait(CLOSING_SECONDS):
            with suppress(Exception), changing() as change:
                for incident in change.incidents.incidents:
                    if incident.announced_at is not None:
                        incident.status = Status.CLOSED
        connection.close()

    def take(self, handler: Any) -> None:
        [*_, (_, body)] = self.receiver.requests
        data = json.loads(body).get("data", {})
        if incident := data.get("incident"):
            self.arrivals.setdefault(incident, time.time())
        handler.send_response(204)
        handler.end_headers()

    # --- verdict

    def compare(self) -> None:
        from audit.models import AuditLog  # noqa: PLC0415 - needs Django
        from audit.verification.fsck import verify_log  # noqa: PLC0415 - likewise

        rows = AuditLog.objects.filter(object_id__in=self.keys, action=ENCRYPTED, outcome="ok")
        stored = {row.id: row.entries or 1 for row in rows}
        found: dict[int, int] = {}
        delays: list[float] = []
        firsts: dict[str, datetime] = {}
        for at, touch, incident in self.touches():
            if touch["action"] == ENCRYPTED and touch["outcome"] == "ok":
                assert touch["log_id"] not in found, "a touch is in the journal twice"
                found[touch["log_id"]] = touch["count"]
                touched = datetime.fromisoformat(touch["at"])
                delays.append((at - touched).total_seconds())
                firsts.setdefault(incident, touched)
        assert found == stored, f"{sum(stored.values())} entries, {sum(found.values())} in the journal"
        entries = sum(stored.values())
        assert self.acknowledged <= entries <= self.acknowledged + self.unknown
        arrived = [
            self.arrivals[each] - at.timestamp() for each, at in firsts.items() if each in self.arrivals
        ]
        assert not verify_log().is_altered
        self.tell(
            f"{entries} of {entries} entries about canaries found, each once; the log and the journal verify"
        )
        self.tell(f"touch to journal: {_times(delays)}")
        self.tell(
            f"first touch to the receiver: {_times(arrived)}, {len(arrived)} of {len(firsts)} incidents"
        )

    def touches(self) -> Iterator[tuple[datetime, Any, str]]:
        from canaries.sealed import journal  # noqa: PLC0415 - needs Django

        for each in journal.read():
            for record in each.page.records:
                if record.word == "canary.touched":
                    yield record.at, record.facts["touch"], record.facts["incident"]

    def tell(self, text: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {text}")


def _times(seconds: list[float]) -> str:
    parts = quantiles(seconds, n=100, method="inclusive")
    return f"p50 {parts[49]:.2f} s, p99 {parts[98]:.2f} s, at most {max(seconds):.2f} s"


if __name__ == "__main__":
    sys.exit(main())
