"""Requests that need an RSA key to be generated or checked: all of them are limited and charged."""

from contextlib import ExitStack, contextmanager

import pytest
from django.db import connection

from kernel.rsa import process as rsa_process
from keys.editing import services as editing
from keys.models import ImportParameters, Key, KeyVersion
from keys.rotation.services import chosen
from tests.browsing import plain, signed_in
from tests.foreign_keys import jwk_of, new_key, private_bytes
from tests.personas import b64

# The database would end a transaction that stays open while a busy machine generates the RSA key.
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def in_a_web_process(*, is_full=False):
    """As in a web process with four threads: there is one place, which is taken or not."""
    rsa_process.begin(4)
    try:
        with ExitStack() as places:
            if is_full:
                places.enter_context(rsa_process._state.current.process.place())
            yield
    finally:
        rsa_process._state.drop()


def left(response):
    return int(response.headers["RateLimit"].split(";")[1].removeprefix("r="))


def test_no_rsa_request_waits_for_a_place(admin):
    api = admin.api
    create = {"algorithm": "rsa-3072", "purpose": "sign"}
    key = api.post("/api/v1/keys", {"name": "signing", **create}).json["id"]
    sealing = api.post("/api/v1/keys", {"name": "sealing", "algorithm": "aes-256"}).json["id"]
    material = new_key("rsa-2048")
    imported = {"name": "old", "algorithm": "rsa-2048", "purpose": "sign"}
    paths = {
        "/api/v1/keys": {"name": "next", **create},
        f"/api/v1/keys/{key}/rotate": {"reason": "test"},
        f"/api/v1/keys/{key}/succeed": {"name": "next", "reason": "test"},
        "/api/v1/keys/import": {**imported, "format": "pkcs8", "material": b64(private_bytes(material))},
        "/api/v1/data-keys": {"key_id": sealing, "key_pair": "rsa-4096"},
    }
    with in_a_web_process(is_full=True):
        responses = [api.post(path, body) for path, body in paths.items()]
        responses += [api.post(path, body, Idempotency_Key="once") for path, body in paths.items()]
        jwk = {**imported, "format": "jwk", "material": jwk_of("rsa-2048", material)}
        responses += [api.post("/api/v1/keys/import", jwk), api.get("/api/v1/keys/import-parameters")]
        page = signed_in(admin).post("/keys/signing/rotate", {"reason": "test", "expected_version": 1})
        ordinary = api.post("/api/v1/keys", {"name": "quick", "algorithm": "ed25519"})
    assert {(each.status, each.code, each.headers["Retry-After"]) for each in responses} == {
        (503, "overloaded", "1")
    }
    assert page.status_code == 422
    assert "The server is busy." in plain(page)
    assert ordinary.status == 201
    assert {each.name for each in Key.objects.all()} == {"signing", "sealing", "quick"}
    assert KeyVersion.objects.count() == 3
    assert not ImportParameters.objects.exists()


def test_a_key_is_charged_by_its_time_also_if_its_name_is_taken(admin, settings):
    settings.CC_THROTTLE_PRINCIPAL = "600/day"  # not a minute between the requests adds a unit
    body = {"name": "costly", "algorithm": "rsa-3072", "purpose": "sign"}
    with in_a_web_process():
        before = left(admin.api.post("/api/v1/keys", {"name": "costly", "algorithm": "ed25519"}))
        taken = admin.api.post("/api/v1/keys", body, Idempotency_Key="once")
        assert (taken.status, left(taken)) == (409, before - rsa_process.GENERATION_COST["rsa-3072"])
        material = b64(private_bytes(new_key("rsa-2048")))
        body |= {"algorithm": "rsa-2048", "format": "pkcs8", "material": material}
        again = admin.api.post("/api/v1/keys/import", body)
        assert (again.status, left(taken) - left(again)) == (409, rsa_process.CHECK_COST["rsa-2048"])


def test_a_generation_holds_no_connection(admin):
    assert Key.objects.count() == 0
    assert connection.connection is not None
    with in_a_web_process():
        rsa_process.generate("rsa-3072", admin.principal.identity)
        assert connection.connection is None


def test_an_rsa_data_key_is_generated_once_although_its_decision_is_repeated(admin, settings, monkeypatch):
    settings.CC_THROTTLE_PRINCIPAL = "600/day"
    key = admin.api.post("/api/v1/keys", {"name": "sealing", "algorithm": "aes-256"}).json["id"]
    generate = rsa_process.generate

    def meanwhile(*arguments):
        """Another process changes the key during the generation."""
        editing.update_key(principal=admin.principal, key_id=key, changes={"description": "changed"})
        return generate(*arguments)

    monkeypatch.setattr(rsa_process, "generate", meanwhile)
    with in_a_web_process():
        before = left(admin.api.get(f"/api/v1/keys/{key}"))
        response = admin.api.post("/api/v1/data-keys", {"key_id": key, "key_pair": "rsa-3072"})
    assert (response.status, left(response)) == (200, before - rsa_process.GENERATION_COST["rsa-3072"])


@pytest.mark.django_db
def test_several_rsa_keys_are_rotated_by_a_job():
    assert chosen.rotates_by_job([Key(algorithm="rsa-3072")])
    assert not chosen.rotates_by_job([Key(algorithm="ec-p256")] * chosen.FEW)
