"""The product's responses to every call of the comparison with OpenBao."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.roles import ROLES
from accounts.service_accounts.services.tokens import scopes_for
from conformance.golden import TOKENS, compare, responses
from tests.product import Product

pytestmark = pytest.mark.process

KEY = "aes256-gcm96"
UNLIMITED = {"CC_THROTTLE_PRINCIPAL": "100000/minute", "CC_THROTTLE_ANONYMOUS": "100000/minute"}


def all_tokens(product: Product) -> dict[str, str]:
    """Those of an administrator, of a service account for encryption with one key only, and of a migration."""
    token = product.token()

    def post(path, body):
        reply = product.send("POST", path, body, token=token)
        assert reply.status in {200, 201}, reply.content
        return reply.json

    post(f"/v1/transit/keys/{KEY}", {})
    [key] = product.send("GET", "/api/v1/keys", token=token).json["results"]
    account = post("/api/v1/service-accounts", {"name": "limited", "role": "developer"})
    holder = {"principal_type": "service_account", "principal_id": account["id"]}
    post(f"/api/v1/keys/{key['id']}/grants", {**holder, "operations": ["encrypt"]})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    limits = {"scopes": ["crypto.encrypt"], "keys": [key["id"]], "expires_at": tomorrow}
    limited = {"name": "limited", "service_account_id": account["id"], **limits}
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    migrating = {"name": "migration", "scopes": sorted(scopes_for(ROLES["admin"])), "expires_at": in_an_hour}
    created = [post("/api/v1/tokens", wanted)["token"] for wanted in (limited, migrating)]
    return dict(zip(TOKENS, [token, *created], strict=True))


def test_each_call_has_the_response_of_openbao_except_for_the_accepted_differences(tmp_path):
    with Product(tmp_path, **UNLIMITED) as product:
        found = responses(f"http://{product.host}:{product.port}", all_tokens(product))
    assert compare(found) == 0
