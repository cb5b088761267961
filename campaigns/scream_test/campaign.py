"""Disable keys for a minute, kill every process at several moments, and use the keys whenever the server responds.

    python -m campaigns.scream_test.campaign --rounds 3 --kills 4

It runs on SQLite; inside ``python -m tests.services`` (or with DATABASE_URL) on PostgreSQL. A round takes about two
minutes. In each second round the server is down when the time ends.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import OK, HTTPException
from pathlib import Path

from tests.output import log
from tests.product import Product
from tests.services.rights import folder_for_servers

GONE = (OSError, HTTPException)
TEST_SECONDS = 60.0
PAUSE = 0.1  # between two uses of a key
SLACK = 0.05  # seconds: a response arrives after the decision
LATE_SECONDS = 60.0  # the longest time from the end of a test to the first use
RECORDED_SECONDS = 120.0  # the schedule runs about once a minute, also after a start


@dataclass
class TestedKey:
    """A key under test. ``ends``: 0.0 if it was not disabled. ``uses``: when a request was sent, when its response arrived, and whether it was allowed."""

    key_id: str
    ends: float = 0.0  # in POSIX seconds
    uses: list[tuple[float, float, bool]] = field(default_factory=list)

    def use(self, product: Product, token: str) -> None:
        body = {"algorithm": "aes-256-gcm", "data": "aGk=", "key_id": self.key_id}
        sent = time.time()
        response = product.send("POST", "/api/v1/encrypt", body, token=token)
        if response.status == OK or response.code == "key_not_active":
            self.uses.append((sent, time.time(), response.status == OK))

    def result(self) -> str:
        if not self.ends:
            return f"{self.key_id}: the kill came before its suspension"
        refused = sum(not allowed for *_, allowed in self.uses)
        first = min(
            (arrived - self.ends for _, arrived, allowed in self.uses if allowed), default=float("nan")
        )
        return f"{self.key_id}: {refused} of {len(self.uses)} uses refused, the first allowed {first:.2f} s after its end"

    def violations(self) -> list[str]:
        early = [sent for sent, arrived, allowed in self.uses if allowed and arrived < self.ends - SLACK]
        late = [sent for sent, _, allowed in self.uses if not allowed and sent > self.ends + SLACK]
        allowed = [arrived for _, arrived, allowed in self.uses if allowed]
        found = [f"{self.key_id}: {len(early)} uses were allowed before its end"] if early else []
        if late:
            found.append(f"{self.key_id}: {len(late)} uses were refused after its end")
        if not allowed or (self.ends and allowed[0] > self.ends + LATE_SECONDS):
            found.append(f"{self.key_id}: not usable within {LATE_SECONDS:g} s of its end")
        return found


def main() -> int:
    """Return 0 if no round found a violation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=4, help="of all processes, in each round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
        folder.chmod(0o711)
        product = stack.enter_context(Product(folder / "product"))
        for number in range(options.rounds):
            seed = options.seed + number
            violations = kill_during_test(product, kills=options.kills, seed=seed, over_end=number % 2 == 1)
            log(f"round {number + 1}, seed {seed}: {len(violations)} wrong")
            if violations:
                log("\n".join(violations))
                return 1
    return 0


def kill_during_test(product: Product, *, kills: int, seed: int, over_end: bool) -> list[str]:
    """One round. ``over_end``: the last kill is before the end of the tests, and the next start after it."""
    moments = sorted(random.Random(seed).uniform(0, TEST_SECONDS - 5) for _ in range(kills - 1))  # noqa: S311 - needs no secret randomness
    token = product.token()
    acknowledged, interrupted = (new_key(product, token) for _ in range(2))
    acknowledged.ends = disable(product, token, acknowledged)
    began = time.time()
    # The outcome of this request is unknown: the kill comes before its response, or just after it.
    interrupting = threading.Thread(target=disable_unconfirmed, args=(product, token, interrupted))
    interrupting.start()
    time.sleep(random.Random(seed).uniform(0, 0.03))  # noqa: S311
    restart(product)
    interrupting.join()
    interrupted.ends = end_of(product, token, interrupted)
    keys = [acknowledged, interrupted]
    for moment in moments:
        use_until(product, keys, began + moment)
        restart(product)
    if over_end:
        use_until(product, keys, acknowledged.ends - 2)
        restart(product, down_until=max(each.ends for each in keys) + 1)
    use_until(product, keys, max(time.time(), *(each.ends for each in keys)) + 5)
    for each in keys:
        log(each.result())
    found = [violation for each in keys for violation in each.violations()]
    return found + unrecorded(product, acknowledged) + violations_in_log(product)


def new_key(product: Product, token: str) -> TestedKey:
    name = f"tested-{time.time_ns()}"
    made = product.send("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"}, token=token)
    return TestedKey(made.json["id"])


def disable(product: Product, token: str, key: TestedKey) -> float:
    """The end of the test, in POSIX seconds."""
    path, body = f"/api/v1/keys/{key.key_id}/disable", {"reason": "campaign", "minutes": 1}
    return seconds_of(product.send("POST", path, body, token=token).json["resumes_at"])


def disable_unconfirmed(product: Product, token: str, key: TestedKey) -> None:
    with contextlib.suppress(*GONE):
        disable(product, token, key)


def end_of(product: Product, token: str, key: TestedKey) -> float:
    """As the restarted server shows it; 0.0 if the key was not disabled."""
    end = product.send("GET", f"/api/v1/keys/{key.key_id}", token=token).json["resumes_at"]
    return seconds_of(end) if end else 0.0


def seconds_of(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).astimezone(UTC).timestamp()


def restart(product: Product, *, down_until: float = 0.0) -> None:
    """``kill -9`` of every process, and a start."""
    product.kill()
    time.sleep(max(0.0, down_until - time.time()))
    product.start()


def use_until(product: Product, keys: list[TestedKey], moment: float) -> None:
    token = product.token()
    while time.time() < moment:
        for each in keys:
            each.use(product, token)
        time.sleep(PAUSE)


def unrecorded(product: Product, key: TestedKey) -> list[str]:
    """The schedule stores the end of the test, once, and the report has the refusals."""
    path, deadline = f"/api/v1/keys/{key.key_id}", time.monotonic() + RECORDED_SECONDS
    while product.send("GET", path, token=product.token()).json["resumes_at"] is not None:
        if time.monotonic() > deadline:
            return [f"{key.key_id}: the schedule has not recorded the end"]
        time.sleep(1)
    token, found = product.token(), []
    log_path = f"/api/v1/audit/logs?object={key.key_id}&action=keys.key.enabled"
    time.sleep(2)  # the log follows about a second later
    entries = product.send("GET", log_path, token=token).json["results"]
    if len(entries) != 1:
        found.append(f"{key.key_id}: its end is {len(entries)} times on record")
    report = product.send("GET", f"{path}/scream-test", token=token).json
    log(
        f"{key.key_id}: the report has {report['count']} denied requests of {report['callers_count']} callers"
    )
    was_refused = any(not allowed for *_, allowed in key.uses)
    if report["is_running"] or bool(report["count"]) is not was_refused:
        found.append(f"{key.key_id}: any refused: {was_refused}, and the report is {report}")
    return found


def violations_in_log(product: Product) -> list[str]:
    """The findings of ``verify_audit_log``."""
    verified = product.manage("verify_audit_log")
    return (verified.stdout + verified.stderr).splitlines() if verified.returncode else []


if __name__ == "__main__":
    sys.exit(main())
