"""Break a dependency of the running server, and compare the responses with the promises in docs/operations.md.

    python -m campaigns.outages.campaign --database sqlite --faults lock,disk,sequencer

For each fault it prints the time, status and code of the responses to an encryption over the fast path, one
over Django, a sign-in and a change, several of each at once, then the responses of the probes and their times,
and the time of the recovery. It exits 1 if a response is unexpected or if the server does not recover.
``campaigns.outages.under_load`` repeats faults under load, and
counts. ``--database postgresql`` starts servers of its own. ``disk`` mounts a small tmpfs, so it needs root.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from campaigns.outages import faults
from campaigns.outages.faults import LAG_LIMIT, Fault
from campaigns.outages.target import Seen, Target, start
from tests.output import log

RECOVERY_SECONDS = 90
AT_ONCE = 4  # requests of each kind
PROBES = ("/health", "/readyz", "/metrics", "/livez")

KINDS: dict[str, Callable[[Target], Seen]] = {
    "encrypt, fast": Target.encrypt,
    "encrypt, REST": lambda target: target.encrypt("?"),
    "login": Target.sign_in,
    "change": Target.change,
}

# Responses of each request kind and of the probes; in /health also the unhealthy services.
REFUSED = {"503 audit_unavailable"}
THROTTLED = {"429 throttled"}  # if one user signs in several times at once
READY, NOT_READY = {"200 ready"}, {"503 not ready: database, migrations, key_encryption_key, commits"}
LOCKED = {"encrypt, fast": REFUSED, "encrypt, REST": REFUSED, "login": REFUSED | THROTTLED, "change": REFUSED}
NO_DATABASE = "503 unhealthy (database, audit, key_encryption_key, sequencer, audit_alarms)"
EXPECTED: dict[str, dict[str, set[str]]] = {
    # The sequencer reads the table that PostgreSQL locks.
    "lock": LOCKED
    | {"/readyz": READY, "/health": {"503 unhealthy (audit)", "503 unhealthy (audit, sequencer)"}},
    "epoch": LOCKED | {"login": {"200"} | THROTTLED, "/readyz": READY, "/health": {"503 unhealthy (audit)"}},
    "disk": LOCKED
    | {"/readyz": READY, "/health": {"503 unhealthy (audit)", "503 unhealthy (audit, sequencer)"}},
    "sequencer": {
        "encrypt, fast": REFUSED,
        "encrypt, REST": REFUSED,
        "login": {"200"} | THROTTLED,
        "change": {"200 active"},
        "/readyz": READY,
        "/health": {"503 unhealthy (audit, sequencer)"},
    },
    "standby": {
        # A change that began before the server noticed it may have an unknown outcome.
        **{name: codes | {"503 outcome_unknown"} for name, codes in LOCKED.items()},
        "/readyz": {"503 not ready: commits"},
        "/health": {"503 unhealthy (audit)", "503 unhealthy (audit, sequencer)"},
    },
    "stop": LOCKED | {"/readyz": NOT_READY, "/health": {NO_DATABASE}},
    "hang": {"/readyz": NOT_READY, "/health": {NO_DATABASE}},
}
ALWAYS = {"/livez": {"200 text/plain"}, "/metrics": {"200 text/plain"}}


FAULTS: dict[str, Fault] = {
    "lock": faults.foreign_lock,
    "epoch": faults.epoch_lock,
    "disk": faults.full_disk,
    "sequencer": faults.stopped_sequencer,
    "standby": faults.lost_standby,
    "stop": faults.stopped_database,
    "hang": faults.hanging_database,
}
OF_DATABASE = {
    "sqlite": ("lock", "disk", "sequencer"),
    "postgresql": ("lock", "epoch", "disk", "sequencer", "standby", "stop", "hang"),
}


def main() -> int:
    """Return 0 if every response is an expected one and the server recovers from each fault."""
    options = parse()
    is_well = True
    for fault in options.faults:
        with contextlib.ExitStack() as stack:
            environment = {"CC_AUDIT_LAG_LIMIT": str(LAG_LIMIT)} if fault == "sequencer" else {}
            target = start(stack, options.database, environment, disk_size="192m" if fault == "disk" else "")
            log(f"\n{options.database}, {fault}")
            with FAULTS[fault](target):
                is_well &= observe(target, EXPECTED[fault] | ALWAYS, is_hanging=fault == "hang")
            seconds = recovery(target)
            is_well &= seconds is not None
            log(
                f"  NOT recovered in {RECOVERY_SECONDS} s"
                if seconds is None
                else f"  recovered after {seconds:.1f} s"
            )
    return 0 if is_well else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=OF_DATABASE, default="sqlite")
    parser.add_argument("--faults", default="", help=f"comma-separated, of {', '.join(FAULTS)}")
    options = parser.parse_args()
    options.faults = options.faults.split(",") if options.faults else OF_DATABASE[options.database]
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"unknown faults: {', '.join(sorted(unknown))}")
    return options


class Requests(ThreadPoolExecutor):
    """A pool that does not wait for its threads: a hanging database responds only after its fault is over."""

    def close(self) -> None:
        self.shutdown(wait=False)


def observe(target: Target, expected: dict[str, set[str]], *, is_hanging: bool) -> bool:
    """Send everything at once and print the slowest response of each kind; return whether all are expected.

    While the database hangs only the probes respond, so only they are compared.
    """
    seen: list[tuple[str, list[Seen]]] = []
    with contextlib.closing(Requests(len(KINDS) * AT_ONCE + len(PROBES))) as pool:
        requests = [(name, pool.submit(ask, target)) for _ in range(AT_ONCE) for name, ask in KINDS.items()]
        time.sleep(1.2)  # probe results from before the fault have expired
        probes = [(path, pool.submit(target.send, "GET", path)) for path in PROBES]
        seen += [(path, [response.result()]) for path, response in probes]
        if not is_hanging:
            seen += [
                (name, [response.result() for other, response in requests if other == name]) for name in KINDS
            ]
            seen.append(("/health", [target.send("GET", "/health")]))
    results = [is_expected(name, responses, expected[name]) for name, responses in seen]
    return all(results)


def is_expected(name: str, responses: list[Seen], expected: set[str]) -> bool:
    """Print one line."""
    codes = {seen.outcome for seen in responses}
    wrong = "" if codes <= expected else f"  NOT EXPECTED: {' or '.join(sorted(expected))}"
    log(
        f"  {name:14} {' or '.join(sorted(codes))} within {max(seen.seconds for seen in responses):.2f} s{wrong}"
    )
    return codes <= expected


def recovery(target: Target) -> float | None:
    """The seconds until the recovery, or None if it took too long."""
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_SECONDS:
        if target.encrypt().status == 200 and target.send("GET", "/health").code == "healthy":
            return time.monotonic() - began
        time.sleep(0.2)
    return None


if __name__ == "__main__":
    sys.exit(main())
