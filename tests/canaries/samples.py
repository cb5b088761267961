"""Canaries and touches that exist in no database."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from canaries.documents import Canary, Kind, Touch

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
TOUCH = Touch(
    canary_id=UUID(int=1),
    log_id=42,
    at=NOON,
    action="accounts.service_token.used",
    outcome="denied",
    code="token_revoked",
    count=1,
    credential="token:7",
    actor_name="ci",
    auth_method="service_token",
    client_ip="192.0.2.1",
    user_agent="curl/8",
    source="api",
    request_id="r1",
)


def canary(number, **members):
    values = {"kind": Kind.TOKEN, "object_id": str(number), "name": f"deploy-{number}", "note": ""}
    return Canary(id=UUID(int=number), planted_at=NOON, planted_by="host", **(values | members))


def touch(**members):
    return replace(TOUCH, **members)
