"""Entries of every action, with every outcome and every kind of actor and object, as a log target gets them."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from audit.log.entries import entry_bytes
from audit.log.events import Outcome
from tests.action_tables import labels

USER: Final = "0b6f1c9e-6f0b-4c7e-9a51-2f6f0e7d3c11"
ACCOUNT: Final = "5d0c2b1a-8e49-4f7d-b6a3-91c2e4f58a22"
KEY: Final = "8a7f4e90-1b2c-4d3e-8f5a-6b7c8d9e0f33"
_REQUEST: Final = {
    "auth_method": "password+totp",
    "token_id": "c1d2e3f4-a5b6-4c7d-8e9f-0a1b2c3d4e44",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "request_id": "7e57ab1e-0000-4000-8000-000000000055",
}
_ACTORS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "user_id": USER,
        "actor_type": "user",
        "actor_name": "mira",
        "client_ip": "192.0.2.77",
        "source": "console",
    }
    | _REQUEST,
    {
        "actor_id": ACCOUNT,
        "actor_type": "service_account",
        "actor_name": "billing",
        "client_ip": "2001:db8::5",
    }
    | _REQUEST,
    {"actor_type": "system", "actor_name": "sequencer", "source": "scheduler"},
    {"actor_type": "anonymous", "actor_name": "", "client_ip": "192.0.2.78"},
)
_OBJECTS: Final[tuple[Mapping[str, Any], ...]] = (
    {"object_type": "key", "object_id": KEY, "object_version": 3, "size": 512},
    {"object_type": "key", "object_id": "name:invoices"},
    {"object_type": "user", "object_id": USER},
    {"object_type": "service_account", "object_id": ACCOUNT},
    {"object_type": "audit_alarm", "object_id": "7"},
    {},
)


@dataclass(frozen=True)
class Sample:
    """An entry, with the attributes that ``FoundEntry`` and ``ArchivedEntry`` share."""

    columns: Mapping[str, Any]
    octets: bytes
    integrity: str = "verified"


def sample(**changes: Any) -> Sample:
    """An intact entry: an encryption, unless columns are changed."""
    columns = {
        "id": 4711,
        "event_id": "11111111-2222-4333-8444-555555555555",
        "timestamp": "2026-11-30T12:34:56.789012Z",
        "user_id": None,
        "actor_type": "user",
        "actor_name": "",
        "auth_method": "",
        "token_id": "",
        "client_ip": "",
        "user_agent": "",
        "source": "api",
        "action": "crypto.message.encrypted",
        "object_type": "",
        "object_id": "",
        "object_version": None,
        "outcome": "ok",
        "code": "",
        "request_id": "",
        "count": 1,
        "size": None,
        "meta": "{}",
        "writer": str(uuid.UUID(int=9)),
        "wseq": 12,
        "actor_id": None,
        **changes,
    }
    return Sample(columns, entry_bytes(columns))


REVOKED = sample(
    action="keys.key.revoked",
    outcome="denied",
    code="permission_denied",
    user_id=USER,
    actor_name="mira",
    client_ip="192.0.2.77",
    source="console",
    object_type="key",
    object_id=KEY,
)


def altered(**changes: Any) -> Sample:
    """An entry whose columns may contain anything."""
    return Sample({**sample().columns, **changes}, b"", "altered")


def samples() -> Iterator[Sample]:
    """Every action of the product, with every outcome, actor and object."""
    for action in sorted(labels()):
        for outcome in Outcome:
            code = "" if outcome == Outcome.OK else "permission_denied"
            meta = json.dumps({"raised_by": USER, "reason": 'lost = a "laptop"\n'}, separators=(",", ":"))
            for actor in _ACTORS:
                for thing in _OBJECTS:
                    yield sample(action=action, outcome=outcome.value, code=code, meta=meta, **actor, **thing)


def few_samples() -> Iterator[Sample]:
    """At least one entry of each action and outcome. All kinds of actors and objects occur."""
    combinations = len(_ACTORS) * len(_OBJECTS)
    return islice(samples(), 0, None, combinations - 1)
