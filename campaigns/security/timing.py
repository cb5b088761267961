"""Compare the time of responses about a key of another user, which the server has cached, and about an unknown id.

    .venv/bin/python -m tests.services .venv/bin/python -m campaigns.security.timing --pairs 250

sends pairs of requests to a ``bin/serve`` of its own, in random order, with the token of a developer who has no grant.
Both responses are 404. Other load on the machine adds noise. Refusals of one kind are counted together (see
docs/audit-log.md), so one id serves for all pairs. Before each pair the owner uses the key, so it stays cached.
"""

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from math import comb
from pathlib import Path

from tests.output import log
from tests.product import KeepAlive, Product

DATA = "Y2FuYXJ5"  # base64

OPERATIONS: dict[str, Callable[[str], tuple[str, str, object]]] = {
    "encrypt": lambda key_id: ("POST", "/api/v1/encrypt", message(key_id)),
    "encrypt/batch": lambda key_id: (
        "POST",
        "/api/v1/encrypt/batch",
        {"key_id": key_id, "algorithm": "aes-256-gcm", "items": [{"data": DATA}]},
    ),
    "read": lambda key_id: ("GET", f"/api/v1/keys/{key_id}", None),
    "access": lambda key_id: ("GET", f"/api/v1/keys/{key_id}/public-key", None),
}


def message(key_id: str) -> dict[str, str]:
    return {"key_id": key_id, "algorithm": "aes-256-gcm", "data": DATA}


def seconds(client: KeepAlive, request: tuple[str, str, object], token: str) -> float:
    method, path, body = request
    began = time.perf_counter()
    response = client.send(method, path, body, token=token)
    took = time.perf_counter() - began
    assert response.status == 404, response.content
    return took


def chance(wins: int, pairs: int) -> float:
    """The probability of at least so uneven a result if both were alike (two-sided sign test)."""
    most = max(wins, pairs - wins)
    return min(1.0, 2 * sum(comb(pairs, each) for each in range(most, pairs + 1)) / 2**pairs)


def compare(site: Product, pairs: int, operation: str, owner: str, stranger: str) -> str:
    """Measure the pairs. Returns a line with medians in ms, and in how many pairs the cached key was faster."""
    key = site.send(
        "POST", "/api/v1/keys", {"name": f"key-{uuid.uuid4().hex}", "algorithm": "aes-256"}, token=owner
    )
    ids = {"cached": key.json["id"], "unknown": str(uuid.uuid4())}
    found: dict[str, list[float]] = {name: [] for name in ids}
    with site.connect() as client, site.connect() as owners:
        for number in range(pairs + 10):
            owners.send("POST", "/api/v1/encrypt", message(ids["cached"]), token=owner)
            for name in random.sample(sorted(ids), 2):
                took = seconds(client, OPERATIONS[operation](ids[name]), stranger)
                if number >= 10:  # the first fill caches
                    found[name].append(took * 1000)
    wins = sum(cached < unknown for cached, unknown in zip(found["cached"], found["unknown"], strict=True))
    medians = {name: statistics.median(times) for name, times in found.items()}
    return (
        f"{operation:14} cached {medians['cached']:.2f} ms, unknown {medians['unknown']:.2f} ms; "
        f"cached faster in {wins} of {pairs} pairs (p = {chance(wins, pairs):.2g})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=250)
    parser.add_argument("--only", choices=sorted(OPERATIONS), action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), CC_WORKERS="1") as site:
        owner, stranger = site.token(), site.create_user("stranger", "developer")
        for operation in options.only or OPERATIONS:
            log(compare(site, options.pairs, operation, owner, stranger))


if __name__ == "__main__":
    main()
