"""A forecast of an action equals the refusals if the same requests are sent again after the action."""

import pytest

from tests.audit.sequencing.log import sequence_all
from tests.personas import b64

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

ACTIONS = {
    "rotate": ("rotate", {}),
    "disable": ("disable", {}),
    "revoke": ("revoke", {}),
    "mark-compromised": ("revoke", {"compromised": True}),
    "disable-version&version=1": ("versions/1/disable", {}),
    "disable-version&version=2": ("versions/2/disable", {}),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("algorithm", "mode"), [("aes-256", "aes-256-gcm"), ("aes-256-siv", "aes-256-siv")])
def test_a_forecast_equals_the_refusals_of_a_replay(bench, action, algorithm, mode):
    api, key_id = bench.persona.api, bench.key(algorithm)["id"]
    for _ in range(2):
        bench.change_key(key_id, "rotate")
    requests = []

    def send(path, **body):
        requests.append((path, body))
        response = api.post(f"/api/v1/{path}", body)
        assert response.status == 200, response.json
        return response.json.get("ciphertext")

    encryption = {"key_id": key_id, "algorithm": mode, "data": b64(b"plain")}
    newest = send("encrypt", **encryption)
    send("decrypt", ciphertext=newest)
    send("reencrypt", ciphertext=newest)
    if mode == "aes-256-siv":
        oldest = send("encrypt", **encryption, key_version=1)
        for _ in range(3):
            send("decrypt", ciphertext=oldest)
        send("reencrypt", ciphertext=oldest)
    sequence_all()
    foreseen = api.get(f"/api/v1/keys/{key_id}/impact?action={action}").json

    verb, fields = ACTIONS[action]
    bench.change_key(key_id, verb, **fields)
    responses = [api.post(f"/api/v1/{path}", body) for path, body in requests]
    refused = [response.status for response in responses if response.status != 200]
    assert foreseen["count"] == len(refused)
    assert foreseen["advice"] == ("no_effect" if action == "rotate" else "in_use" if refused else "unused")
