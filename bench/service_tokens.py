"""Compares encryptions with a service token and a grant to those with the access token of the key's owner.

    CC_TEST_DURABLE=1 python -m tests.services python -m bench.service_tokens

Both use one key on the fast path, over 32 connections. They take turns in short periods, so that other work of the
machine affects both. Each pair of periods gives a ratio; the figures are the medians.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median, quantiles

from bench import load, machine, report
from bench.contestant import ENCRYPT, check
from bench.figures import FAST_PATH
from bench.product import CipherCanary, running
from bench.requests import Refused, Request
from bench.table import HEADINGS, Figure, Goal, markdown, number, terminal
from bench.watch import Watch
from tests.product import Failed
from tests.services.processes import ends_like_a_signal

CONNECTIONS = 32
LEAST = 0.95
RATE, COST = Goal(LEAST), Goal(1 / LEAST, lower=True)


@dataclass(frozen=True)
class Period:
    """``rate``: responses per second. ``cost``: microseconds of CPU time of the web workers for each response."""

    rate: float
    cost: float
    errors: int


type Pair = tuple[Period, Period]
"""A period with the service token, and one with the access token."""


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        with ExitStack() as stack, ends_like_a_signal():
            machine.require_programs("wrk")
            machine.require_durable(os.environ["DATABASE_URL"])
            folder = stack.enter_context(machine.private_folder())
            ours = stack.enter_context(running(FAST_PATH, folder / "product", "protocol"))
            pairs = measure(ours, options.seconds, options.repeats)
    except (machine.Unfit, Failed, Refused) as reason:
        sys.stderr.write(f"bench.service_tokens: {reason}\n")
        return 1
    rows = [figure.cells() for figure in figures(pairs)]
    print(terminal(HEADINGS, rows))
    if options.write:
        report.write(markdown(HEADINGS, rows), report.SERVICE_TOKENS)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.service_tokens",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=int, default=2, help="of each period (2)")
    parser.add_argument("--repeats", type=int, default=20, help="of each pair of periods (20)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {report.PAGE.name}")
    return parser.parse_args(arguments)


def measure(ours: CipherCanary, seconds: int, repeats: int) -> list[Pair]:
    check(ours)
    token = granted_token(ours)
    pairs: list[Pair] = []
    for turn in range(-1, repeats):  # the first pair is the warm-up
        owners = ours.request(ENCRYPT)
        accounts = replace(owners, headers={**owners.headers, "Authorization": f"Bearer {token}"})
        accounts.send()
        requests = (accounts, owners) if turn % 2 else (owners, accounts)
        first, second = (period(ours, request, seconds) for request in requests)
        pairs.append((first, second) if turn % 2 else (second, first))
    return pairs[1:]


def granted_token(ours: CipherCanary) -> str:
    """A token for encryption of a new service account that has a grant on the key."""
    admin = ours.product.token()
    account, token = ours.service_account("bench", admin)
    grant = {"principal_type": "service_account", "principal_id": account, "operations": ["encrypt"]}
    headers = {"Authorization": f"Bearer {admin}"}
    Request.of_json(ours.product.port, f"/api/v1/keys/{ours.key_id}/grants", grant, headers).send()
    return token


def period(ours: CipherCanary, request: Request, seconds: int) -> Period:
    with Watch(ours.workers()) as watch:
        found = load.run(request, CONNECTIONS, seconds)
    if not found.rate:
        raise Refused(f"{request.path}: no responses within {seconds} seconds, {found.errors} errors")
    return Period(found.rate, watch.cpu_seconds / (found.rate * seconds) * 1e6, found.errors)


def figures(pairs: Sequence[Pair]) -> list[Figure]:
    what = f"encrypt, c={CONNECTIONS}, service token and grant"
    errors = sum(each.errors for pair in pairs for each in pair)
    rates = [(account.rate, owner.rate) for account, owner in pairs]
    costs = [(account.cost, owner.cost) for account, owner in pairs]
    return [
        compared(f"{what}: rate", RATE, rates, "/s", errors),
        compared(f"{what}: CPU of the web workers", COST, costs, " us", errors),
    ]


def compared(what: str, goal: Goal, pairs: Sequence[tuple[float, float]], unit: str, errors: int) -> Figure:
    ratios = [account / owner for account, owner in pairs]
    low, middle, high = quantiles(ratios, n=4)
    account, owner = (number(median(each)) for each in zip(*pairs, strict=True))
    against = f"access token {owner}{unit}; quartiles of the ratio {low:.3f}, {high:.3f}"
    return Figure(what, goal, middle, errors, f"{account}{unit}", against, middle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
