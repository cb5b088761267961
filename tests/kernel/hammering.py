"""A process that takes as much of a budget as it can: `python -m tests.kernel.hammering NAME SECONDS`.

It prints `ready` once it receives the others' counts, begins at a line on standard input, and prints its
count.
"""

import sys
import time

import django

from kernel import throttle
from kernel.errors import Throttled


def main(name: str, seconds: float) -> None:
    django.setup()
    throttle.start_reconciling()
    while not throttle._reconciliation.current._seen_at:
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    print(take(name, time.monotonic() + seconds), flush=True)
    throttle.stop_reconciling()


def take(name: str, until: float) -> int:
    """The number of accepted requests. In case of delays it runs past ``until``, until 100 were refused."""
    got = refused = 0
    while time.monotonic() < until or refused < 100:
        try:
            throttle.charge_principal(name)
        except Throttled:
            refused += 1
            time.sleep(0.001)
            continue
        got += 1
    return got


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
