"""Measures the main reads of the REST API, as an ordinary client sends them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from urllib.parse import urlencode

from bench.filling import DAYS, key_id, user_id
from bench.requests import Refused
from tests.product import Product

KEYS, LOG, TRAIL = "/api/v1/keys", "/api/v1/audit/logs", "/api/v1/audit/trail"
LIMIT = 100  # the largest page
TIMES = 100
AGO = 300  # days
BUSY, QUIET = 1, 70_000  # the numbers of a busy key and of a rarely used key


@dataclass(frozen=True)
class Read:
    """A GET request. ``is_own``: sent by a developer, who sees only their own objects, instead of an administrator."""

    what: str
    path: str
    is_own: bool = False


@dataclass(frozen=True)
class Wait:
    """Response times in milliseconds."""

    p50: float
    p95: float


def listed(what: str, path: str, *, is_own: bool = False, **query: object) -> Read:
    return Read(what, f"{path}?{urlencode({'limit': LIMIT, **query})}", is_own)


def reads(key: str, entries: int, before: int = 0) -> list[Read]:
    """``key`` is the ID of the key whose rows have valid MACs. The entries follow the id ``before``."""
    return [*reads_of_keys(key), *reads_of_log(entries, before), *reads_of_trail()]


def reads_of_keys(key: str) -> list[Read]:
    statuses = ("active", "expired", "revoked", "pending", "disabled")
    soon = datetime.now(UTC) + timedelta(days=1)
    return [
        Read("one key", f"{KEYS}/{key}"),
        listed("its versions", f"{KEYS}/{key}/versions"),
        listed("keys", KEYS),
        listed("keys, own", KEYS, is_own=True),
        listed("keys, page 500", KEYS, page=500),
        listed("keys, search: a quarter of them", KEYS, search="orders"),
        listed("keys, search: one of them", KEYS, search=f"service-{QUIET}"),
        listed("keys, search: two words", KEYS, search="staging team-77"),
        listed("keys, tag", KEYS, tag="team-77"),
        listed("keys, algorithm", KEYS, algorithm="chacha20"),
        *(listed(f"keys, {status}", KEYS, status=status) for status in statuses),
        listed("keys, expires before", KEYS, expires_before=soon.isoformat()),
        *(
            listed(f"keys by {ordering}", KEYS, ordering=ordering)
            for ordering in ("-created_at", "expires_at", "-expires_at", "algorithm")
        ),
        listed("rotations", "/api/v1/rotations"),
    ]


def reads_of_log(entries: int, before: int) -> list[Read]:
    now = datetime.now(UTC)
    deep, past = before + entries // 10, now - timedelta(days=AGO)
    in_month = before + entries * (DAYS - AGO + 15) // DAYS  # 15 days after ``past``
    hour, month = (
        {"from": past.isoformat(), "to": (past + timedelta(days=d)).isoformat()} for d in (1 / 24, 30)
    )
    user, used = f"user-{1 + BUSY}", "crypto.message.decrypted"
    return [
        Read("one entry", f"{LOG}/{deep}"),
        listed("log", LOG),
        listed("log, own", LOG, is_own=True),
        listed("log, deep", LOG, before=deep),
        listed("log, busy user's name", LOG, actor=user),
        listed("log, busy user's id", LOG, actor=user_id(1 + BUSY)),
        listed("log, quiet user's id", LOG, actor=user_id(1 + QUIET % 1000)),
        listed("log, user's id and action", LOG, actor=user_id(1 + BUSY), action=used),
        listed("log, user's name and rare action", LOG, actor=user, action="keys.key.disabled"),
        listed("log, busy key", LOG, object=key_id(BUSY)),
        listed("log, quiet key", LOG, object=key_id(QUIET)),
        listed("log, busy key, denied", LOG, object=key_id(BUSY), outcome="denied"),
        listed("log, frequent action", LOG, action=used),
        listed("log, frequent action, deep", LOG, action=used, before=deep),
        listed("log, rare action", LOG, action="keys.key.disabled"),
        *(listed(f"log, {word}", LOG, outcome=word) for word in ("ok", "denied", "error")),
        *(listed(f"log, from {word}", LOG, source=word) for word in ("api", "admin", "command")),
        *(
            listed(f"log, actor type {word}", LOG, actor_type=word)
            for word in ("user", "system", "anonymous", "service_account")
        ),
        listed("log, an hour long ago", LOG, **hour),
        listed("log, a month long ago", LOG, **month),
        listed("log, a month long ago, denied", LOG, **month, outcome="denied"),
        listed("log, a month long ago, busy key", LOG, **month, object=key_id(BUSY)),
        listed("log, a month long ago, deep", LOG, **month, before=in_month),
        listed("log, the last day", LOG, **{"from": (now - timedelta(days=1)).isoformat()}),
        listed("log, until long ago", LOG, to=past.isoformat()),
        listed("log, search", LOG, search="company"),
    ]


def reads_of_trail() -> list[Read]:
    return [
        listed("trail", TRAIL),
        listed("trail, of a key", TRAIL, record=key_id(BUSY)),
        listed("trail, busy user's name", TRAIL, actor=f"user-{1 + BUSY}"),
        listed("trail, busy user's id", TRAIL, actor=user_id(1 + BUSY)),
    ]


def measure(product: Product, path: str, headers: Mapping[str, str]) -> Wait:
    """Send the GET request repeatedly on one connection. Raises Refused unless every response is 200."""
    took = []
    with product.connect() as client:
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            response = client.send("GET", path, headers=headers)
            took.append(1000 * (time.perf_counter() - began))
            if response.status != 200:
                raise Refused(f"GET {path}: {response.status} {response.content[:500].decode()}")
    return wait_of(took[1:])  # the first request includes the time to connect


def wait_of(milliseconds: Sequence[float]) -> Wait:
    parts = quantiles(milliseconds, n=20, method="inclusive")
    return Wait(parts[9], parts[18])
