"""Deliver the log to an HTTPS receiver that is away and fails, from workers that are killed with SIGKILL.

    python -m campaigns.forwarding.campaign --entries 20000 --down 30 --kills 6

runs on SQLite; inside ``python -m tests.services`` on PostgreSQL. Others write meanwhile. The receiver verifies each batch
with its checkpoint. At the end it must have every entry of the log, in order, and in addition only batches whose
acknowledgement was lost.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from campaigns.forwarding.receiving import Verified
from campaigns.installations import installation
from campaigns.revocation.campaign import sequencer
from tests.notifications.servers import Receiver, server_context, serving
from tests.output import log
from tests.product import ROOT, Product

WORKER = (sys.executable, ROOT / "manage.py", "run_worker")
SECONDS = 600  # in which the receiver gets something
_REFUSED = 0.1  # of the batches, with a status
_LOST = 0.1  # of the acknowledgements, after the receiver has stored the batch
_STEP = 0.05  # seconds between two looks


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="forwarding-") as name:
        folder = Path(name)
        with installation(folder, CC_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8") as product:
            Campaign(folder, product, options).play()
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--down", type=float, default=3600.0, help="seconds for which the receiver is away")
    parser.add_argument("--kills", type=int, default=50, help="of the worker, while it delivers")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


class FailingReceiver(Receiver):
    """Verifies and stores batches. While ``fails``, it refuses some, and some acknowledgements are lost."""

    def __init__(self, context: Any, verified: Verified, seed: int) -> None:
        super().__init__(context)
        self.verified, self.chance = verified, random.Random(seed)  # noqa: S311 - failures are no secret
        self.response, self.fails, self.refused, self.lost = self.take, False, 0, 0
        self.errors: list[Exception] = []
        self.lock = threading.Lock()

    def take(self, handler: Any) -> None:
        [*_, (_, body)] = self.requests
        self.requests.clear()
        with self.lock:
            status, is_acknowledged = self._take(body)
        if is_acknowledged:
            handler.send_response(status)
            handler.end_headers()

    def _take(self, body: bytes) -> tuple[int, bool]:
        """The status, and whether it is sent."""
        if self.fails and self.chance.random() < _REFUSED:
            self.refused += 1
            return HTTPStatus.SERVICE_UNAVAILABLE, True
        try:
            self.verified.take(body)
        except Exception as error:  # noqa: BLE001 - the campaign reports it
            self.errors.append(error)
            return HTTPStatus.BAD_REQUEST, True
        is_lost = self.fails and self.chance.random() < _LOST
        self.lost += is_lost
        return HTTPStatus.OK, not is_lost


class Campaign:
    def __init__(self, folder: Path, product: Product, options: argparse.Namespace) -> None:
        self.product, self.options = product, options
        self.began = time.monotonic()
        self.chance = random.Random(options.seed)  # noqa: S311 - moments are no secret
        self.context, self.ca = server_context(folder)

    def play(self) -> None:
        from audit.sequencing.checkpoints.signing_keys import trusted_keys  # noqa: PLC0415 - needs Django
        from campaigns.archiving.filling import fill, writing  # noqa: PLC0415 - likewise

        fill(self.options.entries, self.options.seed)
        verified = Verified(trusted_keys())
        receiver = FailingReceiver(self.context, verified, self.options.seed)
        self.target = self.create_target(receiver.port)
        self.tell(f"{self.options.entries} entries, seed {self.options.seed}")
        with sequencer(self.product.environment), writing(self.options.seed + 1) as written:
            with serving(receiver):
                self.kill_workers(receiver)
                rate = self.catch_up(verified)
                port = receiver.port
            self.tell(f"caught up with {rate:.0f} entries a second")
            self.stay_away()
            again = Returned(self.context, receiver, port)
            with serving(again):
                self.catch_up(verified)
        with sequencer(self.product.environment), serving(Returned(self.context, receiver, port)):
            self.finish(receiver, written[0])

    def create_target(self, port: int) -> Any:
        from accounts.principals import Principal  # noqa: PLC0415 - needs Django
        from audit.log.events import Source  # noqa: PLC0415 - likewise
        from audit.services.log_targets import create_log_target  # noqa: PLC0415 - likewise

        values = {"name": "siem", "url": f"https://127.0.0.1:{port}/", "ca": Path(self.ca).read_text()}
        principal = Principal.system("campaign", Source.COMMAND)
        return create_log_target(principal=principal, values=values, size=0)

    def kill_workers(self, receiver: FailingReceiver) -> None:
        """Kill each worker while it delivers."""
        receiver.fails = True
        for _ in range(self.options.kills):
            before = receiver.verified.batches
            with self.worker() as process:
                self.wait_for(lambda before=before: receiver.verified.batches > before or self.is_done())
                time.sleep(self.chance.uniform(0, 0.5))
                process.kill()
            self.end_lease()
        receiver.fails = False
        found = receiver.verified
        self.tell(
            f"{self.options.kills} workers killed: {found.end} entries in {found.batches} batches, "
            f"{receiver.refused} refused, {receiver.lost} acknowledgements lost, {found.duplicates} sent again"
        )

    def stay_away(self) -> None:
        """Nothing listens at the address. Others write, and the worker tries again and again."""
        with self.worker():
            time.sleep(self.options.down)
        stored = self.stored()
        self.tell(f"away for {self.options.down:.0f} s: {stored.failures} attempts. {stored.last_error}")
        assert stored.failures
        self.end_lease()

    def catch_up(self, verified: Verified) -> float:
        """Returns the entries a second."""
        with self.worker():
            first = verified.end
            self.wait_for(lambda: verified.end > first or self.is_done())
            began, first = time.monotonic(), verified.end
            self.wait_for(self.is_done)
            return (verified.end - first) / (time.monotonic() - began)

    def finish(self, receiver: FailingReceiver, written: int) -> None:
        from audit.sequencing.tree import read_tree  # noqa: PLC0415 - needs Django
        from audit.tlog.merkle import Frontier  # noqa: PLC0415 - likewise
        from audit.verification.fsck import verify_log  # noqa: PLC0415 - likewise

        with self.worker():
            self.wait_for(lambda: self.stored().size == read_tree().size and self.is_done())
        assert receiver.errors == []
        tree, found = read_tree(), receiver.verified
        assert found.end == found.size == tree.size
        assert Frontier.EMPTY.extended(found.leaves).root() == bytes(tree.root)
        assert not verify_log().is_altered
        self.tell(
            f"0 of {tree.size} entries lost ({written} written meanwhile), {found.duplicates} sent again at the edges "
            f"of {found.batches} batches, all in order, and verified with checkpoints"
        )

    # --- parts

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(WORKER, env=self.product.environment, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)

    def end_lease(self) -> None:
        """As if the lease of a killed worker had expired, and the pause after a failure."""
        from audit.models import LogTarget  # noqa: PLC0415 - needs Django

        LogTarget.objects.update(lease_until=None, next_attempt_at=None)

    def stored(self) -> Any:
        from audit.models import LogTarget  # noqa: PLC0415 - needs Django

        return LogTarget.objects.get(pk=self.target.pk).check_mac()

    def is_done(self) -> bool:
        """Whether the target has nearly everything. Others write on."""
        from audit.sequencing.tree import read_tree  # noqa: PLC0415 - needs Django

        return read_tree().size - self.stored().size < self.options.entries // 100

    def wait_for(self, holds: Any) -> None:
        until = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < until
            time.sleep(_STEP)

    def tell(self, text: str) -> None:
        log(f"{time.monotonic() - self.began:6.1f} s  {text}")


class Returned(FailingReceiver):
    """The receiver at the same address again, with what it has stored."""

    def __init__(self, context: Any, before: FailingReceiver, port: int) -> None:
        self.address = port
        super().__init__(context, before.verified, 0)
        self.errors = before.errors

    def server_bind(self) -> None:
        self.server_address = ("127.0.0.1", self.address)
        super().server_bind()


if __name__ == "__main__":
    sys.exit(main())
