"""A token that this process has verified is not verified again, but a change in another process acts at once."""

import pytest

from accounts.service_accounts.services import accounts as service_accounts
from accounts.service_accounts.services import tokens as service_tokens
from tests.factories import KeyFactory, ServiceAccountFactory, TokenFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient, b64

SCOPES = ("crypto.encrypt", "crypto.decrypt", "crypto.reencrypt", "crypto.inspect", "crypto.random")
BAD = {"nothing": "known"}


class Caller:
    """A user's service token, with requests for each operation."""

    def __init__(self, persona, **limits):
        self.created = TokenFactory(principal=persona.principal, scopes=SCOPES, **limits)
        self.api = ApiClient(self.created.text)
        key = KeyFactory(principal=persona.principal, name="known")
        seal = {"algorithm": "aes-256-gcm", "key_id": str(key.id)}
        ciphertext = self.send("encrypt", {**seal, "data": b64(b"x")}).json["ciphertext"]
        self.key_id = str(key.id)
        self.bodies = {
            "encrypt": {**seal, "data": b64(b"x")},
            "decrypt": {"ciphertext": ciphertext},
            "encrypt/batch": {**seal, "items": [{"data": b64(b"x")}]},
            "decrypt/batch": {**seal, "items": [{"ciphertext": ciphertext}]},
            "reencrypt": {"ciphertext": ciphertext},
            "inspect": {"ciphertext": ciphertext},
            "random": {"bytes": 1},
        }

    def send(self, operation, body=None, **headers):
        return self.api.post(
            f"/api/v1/{operation}", self.bodies[operation] if body is None else body, **headers
        )


@pytest.fixture
def caller(admin, transactional_db):
    return Caller(admin)


OPERATIONS = ("encrypt", "decrypt", "encrypt/batch", "decrypt/batch", "reencrypt", "inspect", "random")


@pytest.mark.parametrize("body", [None, BAD], ids=["good", "bad"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_revoked_token_ends_at_once(caller, admin, operation, body):
    assert caller.send(operation).status == 200
    service_tokens.revoke_token(principal=admin.principal, token_id=caller.created.token.id)
    refused = caller.send(operation, body)
    assert refused.json == caller.api.get("/api/v1/keys").json | {"request_id": refused.json["request_id"]}
    assert (refused.status, refused.code) == (401, "authentication_failed")
    assert "RateLimit" not in refused.headers
    entry = log_rows().get(request_id=refused.json["request_id"])
    assert (entry.outcome, entry.code, entry.object_id, entry.actor_name) == (
        "denied",
        "authentication_failed",
        caller.key_id if body is None and operation != "random" else "",
        "ada",
    )


def test_a_revoked_token_from_another_network_is_refused_as_revoked(admin, transactional_db):
    caller = Caller(admin, networks=["127.0.0.0/8"])
    assert caller.send("random", X_Forwarded_For="192.0.2.1").status == 200
    service_tokens.revoke_token(principal=admin.principal, token_id=caller.created.token.id)
    assert caller.send("random").code == "authentication_failed"


def test_rights_that_change_act_at_once(admin, transactional_db):
    account = ServiceAccountFactory(name="billing")
    api = ApiClient(TokenFactory(scopes=["crypto.random"], account_id=account.id).text)
    for role, status in (("auditor", 403), ("developer", 200), ("auditor", 403)):
        service_accounts.update_service_account(
            principal=admin.principal, account_id=account.id, changes={"role": role}
        )
        assert [api.post("/api/v1/random", {"bytes": 1}).status for _ in range(2)] == [status, status]


def test_a_known_token_costs_no_statement(caller, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert caller.send("encrypt").status == 200
