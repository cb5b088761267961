"""The product's responses to every call of the comparison with OpenBao."""

from datetime import UTC, datetime, timedelta

import pytest

from conformance.golden import compare, responses
from tests.product import Product

pytestmark = pytest.mark.process

KEY = "aes256-gcm96"
UNLIMITED = {"CC_THROTTLE_PRINCIPAL": "100000/minute", "CC_THROTTLE_ANONYMOUS": "100000/minute"}


def token_to_encrypt(product: Product, token: str) -> str:
    """A token of a service account, for encryption with one key only."""

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
    wanted = {"name": "limited", "service_account_id": account["id"], **limits}
    return str(post("/api/v1/tokens", wanted)["token"])


def test_each_call_has_the_response_of_openbao_except_for_the_accepted_differences(tmp_path):
    with Product(tmp_path, **UNLIMITED) as product:
        token = product.token()
        found = responses(f"http://{product.host}:{product.port}", token, token_to_encrypt(product, token))
    assert compare(found) == 0
