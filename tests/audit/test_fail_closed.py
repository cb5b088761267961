"""Through all interfaces: if the log cannot be written, no operation succeeds, and a refusal stays a refusal."""

import pytest

from keys.models import Key
from tests.audit.conftest import log_out_of_reach
from tests.log_entries import log_rows
from tests.personas import PASSWORD, ApiClient, b64

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = {"algorithm": "aes-256-gcm", "data": b64(b"a message nobody may miss")}


@pytest.fixture
def key_id(developer):
    return developer.api.post("/api/v1/keys", {"name": "payments", "algorithm": "aes-256"}).json["id"]


def test_no_ciphertext_and_no_plaintext_leaves_without_its_record(developer, key_id):
    sealed = developer.api.post("/api/v1/encrypt", {**MESSAGE, "key_id": key_id}).json["ciphertext"]

    with log_out_of_reach():
        responses = [
            developer.api.post("/api/v1/encrypt", {**MESSAGE, "key_id": key_id}),
            developer.api.post("/api/v1/decrypt", {"ciphertext": sealed}),
        ]

    for response in responses:
        assert (response.status, response.code) == (503, "audit_unavailable")
        assert set(response.json) == {"type", "title", "status", "detail", "code", "request_id"}
    assert developer.api.post("/api/v1/decrypt", {"ciphertext": sealed}).json["data"] == MESSAGE["data"]


def test_a_change_without_its_record_does_not_happen(developer, key_id):
    with log_out_of_reach():
        response = developer.api.post("/api/v1/keys", {"name": "unrecorded", "algorithm": "aes-256"})

    assert (response.status, response.code) == (503, "audit_unavailable")
    assert [key.name for key in Key.objects.all()] == ["payments"]


def test_a_right_sign_in_is_refused_and_a_wrong_one_stays_what_it_was(developer):
    right = {"username": developer.user.username, "password": PASSWORD}

    with log_out_of_reach():
        accepted = ApiClient().post("/auth/login", right)
        refused = ApiClient().post("/auth/login", {**right, "password": "not the right one"})

    assert (accepted.status, accepted.code) == (503, "audit_unavailable")
    assert (refused.status, refused.code) == (401, "authentication_failed")


def test_every_operation_is_on_record_before_its_response(developer, key_id):
    response = developer.api.post("/api/v1/encrypt", {**MESSAGE, "key_id": key_id}, X_Request_ID="the-one")

    entry = log_rows().get(request_id="the-one")
    assert response.status == 200
    assert (entry.object_id, entry.outcome, entry.user_id) == (key_id, "ok", developer.user.id)
    assert entry.size == len(b"a message nobody may miss")
