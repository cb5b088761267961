"""Shows which index PostgreSQL uses for each query of the product, and the cost of the query.

No query is copied: requests go through the product's own views and services, in this process. Each statement is
explained before it runs: EXPLAIN (ANALYZE, BUFFERS). The effects of explaining a write are rolled back before it
runs.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench.filling import key_id, user_id
from bench.reads import BUSY, Read
from bench.requests import Refused
from bench.table import number

HEADINGS = ("query", "statement", "index", "rows expected", "rows", "rows read", "pages", "ms")
WHOLE = "all of "
TINY = 100  # rows
EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
STATEMENT = re.compile(
    r'\s*(?:(UPDATE)|(SELECT COUNT|SELECT|INSERT|DELETE)\b.*?\b(?:FROM|INTO))\s+"?(\w+)', re.DOTALL
)


@dataclass(frozen=True)
class Plan:
    """One statement.

    ``access`` names the indexes, and the tables that are read completely. ``read`` counts the rows that were
    examined for the ``rows`` of the result, and ``pages`` the pages of 8 KiB. Times are in ``milliseconds``.
    """

    what: str
    statement: str
    access: tuple[str, ...]
    expected: int
    rows: int
    read: int
    pages: int
    milliseconds: float

    @property
    def is_conclusive(self) -> bool:
        """Whether an index was used or could have been. An insert uses none, and a tiny table is read completely."""
        return any(not name.startswith(WHOLE) for name in self.access) or self.read > TINY

    def cells(self) -> list[str]:
        counts = (f"{count:,}" for count in (self.expected, self.rows, self.read, self.pages))
        return [self.what, self.statement, ", ".join(self.access), *counts, number(self.milliseconds)]


class Explainer:
    """A wrapper for ``connection.execute_wrapper`` that explains statements.

    It skips statements that were already explained with the same parameters, and those in ``common``: every
    request authenticates.
    """

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.common: set[str] = set()
        self.asked: set[str] = set()
        self.seen: set[tuple[str, str]] = set()
        self.what = ""

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,  # noqa: FBT001 - Django's signature
        context: dict[str, Any],
    ) -> Any:
        label, same = label_of(sql), (sql, repr(params))
        if label and sql not in self.common and same not in self.seen:
            plan = plan_of(
                self.what, label, explained(context["connection"], sql, params[0] if many else params)
            )
            self.plans += [plan] if plan.is_conclusive else []
        self.asked.add(sql)
        self.seen.add(same)
        return execute(sql, params, many, context)


def explained(connection: Any, sql: str, params: Any) -> dict[str, Any]:
    """Explain a statement. The statement runs; inside a transaction its effects are rolled back."""
    with connection.cursor() as cursor:  # no recursion, because EXPLAIN statements are not explained
        if connection.in_atomic_block:
            cursor.execute("SAVEPOINT explained")
        cursor.execute(EXPLAIN + sql, params)
        ((found,),) = cursor.fetchall()
        if connection.in_atomic_block:
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
    return (json.loads(found) if isinstance(found, str) else found)[0]


def label_of(sql: str) -> str:
    """The verb and the first table of a statement; "" if it accesses no table."""
    found = STATEMENT.match(sql)
    return f"{(found[1] or found[2]).removeprefix('SELECT ').lower()} {found[3]}" if found else ""


def plan_of(what: str, statement: str, explained: dict[str, Any]) -> Plan:
    """Build a plan from the only member of the list that ``FORMAT JSON`` returns."""
    top = explained["Plan"]
    nodes = list(nodes_of(top))
    access = [
        node.get("Index Name") or f"{WHOLE}{node['Relation Name']}" for node in nodes if is_access(node)
    ]
    read = sum(
        touched(node) for node in nodes if "Relation Name" in node and node["Node Type"] != "ModifyTable"
    )
    return Plan(
        what,
        statement,
        tuple(dict.fromkeys(access)),
        top["Plan Rows"],
        round(top["Actual Rows"] * top["Actual Loops"]),
        read,
        top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        explained["Execution Time"],
    )


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def is_access(node: dict[str, Any]) -> bool:
    return "Index Name" in node or node["Node Type"] == "Seq Scan"


def touched(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return round((node["Actual Rows"] + removed) * node["Actual Loops"])


@contextmanager
def asking(explainer: Explainer, what: str) -> Iterator[None]:
    """Explain the statements sent inside the block, labelled with ``what``."""
    from django.db import connection

    explainer.what, explainer.asked = what, set()
    with connection.execute_wrapper(explainer):
        yield


def plans(reads: Sequence[Read], owner: str, host: str) -> list[Plan]:
    """The plans of every read, and of the product's own queries.

    Django must be set up on the database, and no server may use it. ``owner`` is a developer's name, and ``host``
    a host name that the product accepts.
    """
    explainer = Explainer()
    tokens = {name: sign_in(explainer, name) for name in ("admin", owner)}
    authenticate(explainer, tokens[owner])
    for read in reads:
        with asking(explainer, read.what):
            get(read.path, tokens[owner if read.is_own else "admin"], host)
    ask_for_keys(explainer, tokens[owner])
    sequence(explainer)
    return explainer.plans


def sign_in(explainer: Explainer, username: str) -> str:
    """An access token, from the service that runs after the password check."""
    from accounts.models import User
    from accounts.sessions.services.sessions import open_session, refresh

    user = User.objects.get(username=username)
    if explainer.plans:
        return open_session(user, "password", origin()).access_token
    with asking(explainer, "sign-in, after the password"):
        pair = open_session(user, "password", origin())
    with asking(explainer, "refresh token"):
        return refresh(refresh_token=pair.refresh_token, origin=origin()).access_token


def authenticate(explainer: Explainer, token: str) -> None:
    """Explain the authentication once, and skip it afterwards."""
    from accounts.tokens.access_tokens import authenticate_bearer

    authenticate_bearer(token, origin())  # reads the signing keys, which are then cached
    with asking(explainer, "access token"):
        authenticate_bearer(token, origin())
    explainer.common |= explainer.asked


def get(path: str, token: str, host: str) -> None:
    """Raises Refused unless the response is 200."""
    from django.test import Client

    response = Client().get(path, headers={"Authorization": f"Bearer {token}", "Host": host})
    if response.status_code != 200:
        raise Refused(f"GET {path}: {response.status_code} {response.content[:500].decode()}")


def ask_for_keys(explainer: Explainer, token: str) -> None:
    from accounts.principals import Principal
    from accounts.tokens.access_tokens import authenticate_bearer
    from audit.log.events import Source
    from kernel.clock import database_now
    from kernel.identities import Identity
    from keys.creation.services import default_key
    from keys.deletion.services import destroy_due_keys
    from keys.models import Key
    from keys.reading.services import measure_keys
    from keys.rotation.services.rotating import due_keys
    from keys.rotation.services.used_up import find_used_up
    from keys.states.services import expire_keys

    user = replace(authenticate_bearer(token, origin()), identity=Identity.user(user_id(1)))
    with asking(explainer, "default key"):
        default_key(user, "aes-256")
    with asking(explainer, "keys due for rotation"):
        list(Key.objects.due_for_rotation(database_now()))
    system = Principal.system("bench", Source.SCHEDULER)
    with asking(explainer, "the schedule"):
        list(due_keys(system, database_now()))
        list(expire_keys(principal=system, dry_run=True))
        list(destroy_due_keys(principal=system, dry_run=True))
        find_used_up()
    with asking(explainer, "keys that protect, for the metrics"):
        measure_keys()


def sequence(explainer: Explainer) -> None:
    """Explain writing an entry and sequencing it. The entry is the second of its writer, so that a gap is possible."""
    from audit.log.events import Actor, Event, Source
    from audit.sequencing.bundles.step import sequence_step
    from audit.sequencing.lag import read_lag
    from audit.services.recording import record_alone

    actor = Actor.system("bench", Source.COMMAND)
    event = Event(action="crypto.message.encrypted", object_type="key", object_id=str(key_id(BUSY)), size=64)
    record_alone(event, actor)
    sequence_step(waits=True)
    with asking(explainer, "a writer's next number"):
        record_alone(event, actor)
    with asking(explainer, "lag of the sequencer"):
        read_lag()
    with asking(explainer, "sequencer"):
        sequence_step(waits=True)


def origin() -> Any:
    from accounts.origin import Origin
    from audit.log.events import Source

    return Origin(client_ip="192.0.2.1", user_agent="", request_id="", source=Source.API)
