"""The state of a key decides at the moment of use, even if the keyring has cached the key."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.users.services.editing import disable_user, set_role, sign_out_everywhere
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.batches import EncryptBatch
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from crypto_ops.secrets.services.data_keys import DataKeyRequest, contents_of
from crypto_ops.secrets.services.derivations import DerivationRequest
from crypto_ops.streaming.services.decisions import StreamEncryption
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.demo_clock import running_from
from kernel.errors import Denied, Unauthenticated
from kernel.observability.metrics import key_use_refusals_total
from keys.errors import KeyNotActive
from keys.lifecycle import State
from keys.ring import keyring
from keys.states.services import disable_key, revoke_key
from tests.crypto_ops.conftest import split_form
from tests.log_entries import log_rows
from tests.personas import b64


def test_a_disabled_key_refuses_at_once_and_an_enabled_one_works_again(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"]).json
    bench.change_key(key["id"], "disable")
    refusals = [bench.encrypt(key["id"]), bench.decrypt(ciphertext=encrypted["ciphertext"])]
    assert [response.status for response in refusals] == [409, 409]
    assert all(response.json["key_status"] == "disabled" for response in refusals)
    bench.change_key(key["id"], "enable")
    assert bench.encrypt(key["id"]).status == 200


def test_the_expiry_of_a_key_is_a_deadline_of_what_protects_only(bench, principal):
    end = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    key = bench.key(expires_at=end.isoformat())
    key_id, mode = UUID(key["id"]), SEALING_MODES["aes-256-gcm"]
    sealed = envelope.decode(bench.encrypt(key["id"]).json["ciphertext"], max_length=1000)
    protecting = [
        EncryptRequest(mode=mode, plaintext=b"", key_id=key_id),
        EncryptBatch(mode=mode, items=[(b"", b"")], key_id=key_id),
        DataKeyRequest(key_id=key_id, contents=contents_of(None, None)),
        DerivationRequest(key_id=key_id, context=b"x", size=16),
        StreamEncryption(key_id),
    ]
    opening = [
        DecryptRequest.of_envelope(sealed, b""),
        DerivationRequest(key_id=key_id, context=b"x", size=16, key_version=1),
    ]
    decided = [each.decide(DecisionContext(principal)) for each in [*protecting, *opening]]
    are_limited = [end in {each.at for each in decision.grounds.deadlines} for decision in decided]
    assert are_limited == [True] * len(protecting) + [False] * len(opening)


def test_denied_uses_are_counted_by_what_forbids_them(bench):
    def counted():
        return {reason: key_use_refusals_total.labels(reason)._value.get() for reason in reasons}

    reasons = ("disabled", "revoked", "version")
    key = bench.key()
    old = bench.encrypt(key["id"]).json["ciphertext"]
    bench.change_key(key["id"], "rotate")
    before = counted()
    bench.change_key(key["id"], "versions/1/disable")
    assert bench.decrypt(ciphertext=old).code == "key_not_usable"
    bench.change_key(key["id"], "disable")
    assert [bench.encrypt(key["id"]).status, bench.decrypt(ciphertext=old).status] == [409, 409]
    bench.change_key(key["id"], "revoke")
    assert bench.encrypt(key["id"]).status == 409
    assert {reason: after - before[reason] for reason, after in counted().items()} == {
        "disabled": 2,
        "revoked": 1,
        "version": 1,
    }


def test_a_revoked_key_decrypts_but_does_not_encrypt(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"]).json
    bench.change_key(key["id"], "revoke")
    assert bench.encrypt(key["id"]).code == "key_not_active"
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).status == 200


def test_an_expired_key_decrypts_but_does_not_encrypt_without_any_scheduler(bench):
    soon = datetime.now(UTC) + timedelta(seconds=3)
    key = bench.key(expires_at=soon.isoformat())
    encrypted = bench.encrypt(key["id"]).json
    time.sleep(3.1)
    response = bench.encrypt(key["id"])
    assert (response.status, response.json["key_status"]) == (409, "expired")
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).status == 200


def test_a_key_is_activated_by_the_clock(bench):
    soon = datetime.now(UTC) + timedelta(seconds=3)
    key = bench.key(activates_at=soon.isoformat())
    assert bench.encrypt(key["id"]).json["key_status"] == "pending"
    time.sleep(3.1)
    assert bench.encrypt(key["id"]).status == 200


def test_a_cached_key_works_again_at_the_end_of_a_scream_test(bench, principal):
    """No process reloads the key, and no schedule runs: the row has the end."""
    key_id = UUID(bench.key()["id"])
    request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"", key_id=key_id)
    with running_from(datetime.now(UTC) - timedelta(minutes=2)):
        disable_key(principal=principal, key_id=key_id, reason="test", minutes=1)
        with pytest.raises(KeyNotActive) as refusal:
            perform_measured(request, principal)
        entry = keyring.find(key_id, principal)
    assert refusal.value.extra["key_status"] == "disabled"
    decision = request.decide(DecisionContext(principal))
    assert [each.at for each in decision.grounds.not_before] == [entry.resumes_at]
    assert perform_measured(request, principal).key_id == key_id
    assert keyring.find(key_id, principal) is entry
    assert entry.state is State.SUSPENDED
    assert bench.encrypt(str(key_id)).status == 200


def test_a_compromised_key_gives_its_messages_to_another_key_only_with_a_reason(bench):
    old, new = bench.key(name="bench-old"), bench.key(name="bench-new")
    encrypted = bench.encrypt(old["id"]).json
    bench.change_key(old["id"], "revoke", compromised=True)
    body = {"ciphertext": encrypted["ciphertext"], "key_id": new["id"]}
    reencrypt = bench.persona.api.post
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).code == "key_not_usable"
    assert list(reencrypt("/api/v1/reencrypt", body).json["errors"]) == ["reason"]
    moved = reencrypt("/api/v1/reencrypt", {**body, "reason": "compared with the paper copy"})
    assert (moved.status, moved.json["source_compromised"], moved.json["key_id"]) == (200, True, new["id"])
    assert bench.decrypt(ciphertext=moved.json["ciphertext"]).status == 200


def test_reencryption_moves_a_message_to_the_newest_version(bench, mode):
    key = bench.key(mode.key_algorithm)
    encrypted = bench.encrypt(key["id"], mode.name, b"payload", aad=b64(b"row")).json
    bench.change_key(key["id"], "rotate")
    moved = bench.persona.api.post(
        "/api/v1/reencrypt", {"ciphertext": encrypted["ciphertext"], "aad": b64(b"row")}
    ).json
    assert (moved["source_key_version"], moved["key_version"], moved["algorithm"]) == (1, 2, mode.name)
    assert bench.decrypt(ciphertext=moved["ciphertext"], aad=b64(b"row")).json["data"] == b64(b"payload")


def test_a_disabled_version_no_longer_decrypts(bench):
    key = bench.key()
    encrypted = bench.encrypt(key["id"]).json
    bench.change_key(key["id"], "rotate")
    bench.change_key(key["id"], "versions/1/disable")
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).code == "key_not_usable"
    assert bench.decrypt(**split_form(encrypted, version=False)).code == "decryption_failed"
    bench.change_key(key["id"], "versions/1/enable")
    assert bench.decrypt(ciphertext=encrypted["ciphertext"]).status == 200


@pytest.mark.parametrize("change", ["disable", "revoke"])
def test_a_decision_from_a_warm_keyring_does_not_outlive_a_change_in_another_process(bench, change):
    """The other process has not notified this one: only the database has the change."""
    key = bench.key()
    assert bench.encrypt(key["id"]).status == 200
    warm = keyring.find(UUID(key["id"]), bench.persona.principal)
    services = {"disable": disable_key, "revoke": revoke_key}
    services[change](principal=bench.persona.principal, key_id=warm.key_id, reason="elsewhere")
    keyring._cache.current.put(warm)  # as if this process had not noticed the change
    assert bench.encrypt(key["id"]).status == 409


@pytest.mark.parametrize(
    "change",
    [
        lambda admin, user: disable_user(principal=admin.principal, user_id=user.id),
        lambda admin, user: set_role(principal=admin.principal, user_id=user.id, role="auditor"),
        lambda admin, user: sign_out_everywhere(principal=admin.principal, user_id=user.id),
    ],
)
def test_a_principal_read_before_their_rights_ended_gets_no_response(bench, developer, change):
    key = developer.api.post("/api/v1/keys", {"name": "dora-key", "algorithm": "aes-256"}).json
    request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=b"x", key_id=UUID(key["id"]))
    perform_measured(request, developer.principal)
    change(bench.persona, developer.user)
    before = log_rows().filter(action="crypto.message.encrypted").count()
    with pytest.raises((Unauthenticated, Denied)):
        perform_measured(request, developer.principal)
    assert log_rows().filter(action="crypto.message.encrypted").count() == before


def test_a_cached_key_encrypts_without_a_query(bench, django_assert_num_queries):
    request = EncryptRequest(
        mode=SEALING_MODES["aes-256-gcm"], plaintext=b"x", key_id=UUID(bench.key()["id"])
    )
    perform_measured(request, bench.persona.principal)
    with django_assert_num_queries(0):  # the shared writer thread stores its record
        perform_measured(request, bench.persona.principal)
