"""Promote a standby of PostgreSQL under load, and compare everything acknowledged with the new primary.

    python -m campaigns.failover.campaign --replication synchronous,asynchronous --times 10 --clients 16

It starts a primary, a streaming standby and a server whose DATABASE_URL has both hosts. Each round ends the primary,
promotes the standby, waits until every client has a success, and makes the old primary the new standby with pg_rewind.
``killed``: ``kill -9`` of the primary. ``stopped``: a planned switch, with a fast shutdown. ``fenced``: the primary stays
up and becomes read-only. A killed asynchronous primary stops sending ``--lag`` seconds before, so that the standby lacks
acknowledged records.

It exits 1 if a client does not recover, if a synchronous failover lost or repeated something, or if the log verifies
although an asynchronous one lost something.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.crash.campaign import running
from campaigns.failover.pair import Member, Pair
from campaigns.outages.load import MeasuredLoad
from campaigns.outages.verdict import Played, judge
from tests.output import log
from tests.product import Product
from tests.services.processes import ends_like_a_signal
from tests.services.rights import folder_for_servers

NORMAL_SECONDS = 1.0  # of normal service before each failover
SYNCHRONOUS = "synchronous"
REPLICATION = (SYNCHRONOUS, "asynchronous")
SHOWN = 5  # lines of a long list


def fence(primary: Member) -> None:
    """Refuse writes of every session, also of those that exist."""
    primary.configure("default_transaction_read_only", "on")


ENDS: dict[str, Callable[[Member], None]] = {"killed": Member.kill, "stopped": Member.stop, "fenced": fence}


@dataclass
class Failovers:
    """Seconds from the end of the primary until the standby was promoted, and until the first durable success."""

    played: Played
    promotions: list[float] = field(default_factory=list)
    first_successes: list[float] = field(default_factory=list)


def main() -> int:
    """Return 0 if every promise was kept."""
    options = parse()
    with ends_like_a_signal():
        results = [play(kind, end, options) for kind in options.replication for end in options.ends]
    return 0 if all(results) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replication", default=",".join(REPLICATION))
    parser.add_argument("--ends", default=",".join(ENDS), help="of the primary, comma-separated")
    parser.add_argument("--times", type=int, default=10, help="failovers of each kind")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--lag", type=float, default=0.5, help="seconds, of an asynchronous standby")
    options = parser.parse_args()
    options.replication, options.ends = options.replication.split(","), options.ends.split(",")
    if unknown := {*options.replication, *options.ends} - {*REPLICATION, *ENDS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def play(replication: str, end: str, options: argparse.Namespace) -> bool:
    """Repeat the failover on one pair and one server. Return whether the promises were kept."""
    is_synchronous = replication == SYNCHRONOUS
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder_for_servers())))
        folder.chmod(0o711)
        pair = Pair(stack, folder, is_synchronous=is_synchronous)
        product = Product(
            folder / "product", database=pair.url, redis=False, is_new=True, WEB_CONCURRENCY="2"
        )
        stack.enter_context(product)
        processes = running(product, "gunicorn: worker")
        lag = 0 if is_synchronous or end != "killed" else options.lag
        failovers = fail_over(product, pair, ENDS[end], options, lag=lag)
        judge(product, product, [failovers.played])
        show(f"{replication}, {end}", failovers)
        is_same = running(product, "gunicorn: worker") == processes
        if not is_same:
            log("a web process ended")
        violations = failovers.played.violations
        if is_synchronous:
            return is_same and not violations.all
        is_reported = accept_loss(product) if violations.lost else not violations.all
        return is_same and is_reported and not violations.duplicates


def fail_over(
    product: Product, pair: Pair, end: Callable[[Member], None], options: argparse.Namespace, *, lag: float
) -> Failovers:
    failovers = Failovers(Played("", MeasuredLoad(product, clients=options.clients)))
    with failovers.played.load as load:
        try:
            for _ in range(options.times):
                load.wait_for_everyone(time.monotonic() + NORMAL_SECONDS)
                if lag:
                    pair.primary.stop_sending()
                    time.sleep(lag)
                ended = time.monotonic()
                end(pair.primary)
                pair.promote()
                failovers.promotions.append(time.monotonic() - ended)
                failovers.played.recoveries.append(load.wait_for_everyone(ended + failovers.promotions[-1]))
                failovers.first_successes.append(first_success(load, ended))
                pair.rejoin()
        except AssertionError as error:
            failovers.played.violations.wrong.append(f"round {len(failovers.promotions)}: {error!r}")
    return failovers


def first_success(load: MeasuredLoad, ended: float) -> float:
    """The seconds from ``ended`` until the first durable success of a request that began later."""
    return min(
        response.ended - ended
        for response in list(load.responses)
        if response.is_success and response.is_durable and response.began > ended
    )


def show(name: str, failovers: Failovers) -> None:
    load, violations = failovers.played.load, failovers.played.violations
    counted = load.statuses()
    log(
        f"\n{name}: {len(failovers.promotions)} failovers, {counted.total():,} requests\n"
        f"  responses: {', '.join(f'{status} {count:,} times' for status, count in counted.most_common())}\n"
        f"  not successful: {load.refusals()}\n"
        f"  promoted after {seconds(failovers.promotions)}\n"
        f"  first write after {seconds(failovers.first_successes)}\n"
        f"  every client wrote again {seconds(failovers.played.recoveries)} after the promotion\n"
        f"  longest outage of a client {load.longest_gap():.1f} s\n"
        f"  acknowledged {len(load.acknowledged.requests):,}, lost {len(violations.lost)}, "
        f"duplicates {len(violations.duplicates)}, wrong {len(violations.wrong)}, "
        f"findings of the log {len(violations.log)}"
    )
    for lines in (violations.lost, violations.duplicates, violations.wrong, violations.log):
        for line in lines[:SHOWN]:
            log(f"    {line}")


def seconds(times: list[float]) -> str:
    return f"{statistics.median(times or [0]):.2f} s (median), {max(times, default=0):.2f} s (longest)"


def accept_loss(product: Product) -> bool:
    """Follow docs/high-availability.md after a loss; return whether it was reported, and is accepted in the end."""
    reported = product.manage("verify_audit_log")
    product.stop()
    refused = product.run()
    accepted = product.manage("accept_older_database", "--reason", "asynchronous failover")
    log(
        f"  verify_audit_log: exit code {reported.returncode}; start without acceptance: {refused.returncode}"
    )
    log(f"    {refused.stderr.splitlines()[-1]}\n    accept_older_database: {accepted.stdout.strip()}")
    if accepted.returncode:
        log(f"    {accepted.stderr.strip()}")
    product.start()
    for _ in range(3):  # a verification raises alarms for gaps that have none
        resolve_alarms(product)
        verified = product.manage("verify_audit_log")
        log(f"  verify_audit_log after the alarms are resolved: exit code {verified.returncode}")
        for line in (verified.stdout + verified.stderr).splitlines()[-SHOWN:]:
            log(f"    {line}")
        if not verified.returncode:
            break
    return reported.returncode == 1 and not verified.returncode


def resolve_alarms(product: Product) -> None:
    for line in product.manage("list_audit_alarms").stdout.splitlines():
        log(f"    {line}")
        if " open " in line:
            product.manage("resolve_audit_alarm", line.split()[0], "--reason", "asynchronous failover")


if __name__ == "__main__":
    sys.exit(main())
