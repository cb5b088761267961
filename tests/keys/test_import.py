"""Import of keys through the REST interface."""

import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from django.conf import settings
from django.db import transaction
from django.test import RequestFactory

from accounts.roles import ROLES
from audit.models import AuditLog
from kernel import runtime
from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS, find_key_algorithms
from kernel.crypto.asymmetric import hybrid, key_pairs
from kernel.crypto.encoding import encode_base64url
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_transport
from kernel.http.private_connections import is_private
from kernel.trust import kek_records
from kernel.trust.row_mac import IntegrityFailed
from keys.deletion import services as deletion
from keys.errors import CannotProtect, PrivateKeyMissing
from keys.models import ImportParameters, Key, KeyVersion
from keys.ring.key_loading import load_key
from keys.rotation.services import rotating
from keys.transport.services import import_parameters, importing
from tests.foreign_keys import (
    ALGORITHMS,
    jwk_of,
    new_key,
    private_bytes,
    public_bytes,
    rsa_with_a_composite_factor,
)
from tests.keys.steps import end_wait, schedule_deletion, succeed
from tests.log_entries import log_rows
from tests.personas import b64

pytestmark = pytest.mark.django_db

SYMMETRIC = [kind for kind in KEY_ALGORITHMS if not kind.is_asymmetric]
ELSEWHERE = {"X_Forwarded_For": "203.0.113.9"}
# RSA-4096 keys take seconds, so that all tests share those of one recipient.
RECIPIENT = key_transport.recipient_with(key_pairs.generate("rsa-4096")[0])


def import_key(person, algorithm, form, material, *, headers=None, **fields):
    body = {"name": f"imported-{uuid4().hex[:8]}", "algorithm": algorithm, "format": form}
    kind = find_key_algorithms(algorithm)[0]
    body |= {} if kind.is_default else {"purpose": kind.purpose}
    body |= {} if material is None else {"material": material}
    return person.api.post("/api/v1/keys/import", body | fields, **headers or {})


def imported(person, algorithm, form, material, **fields):
    response = import_key(person, algorithm, form, material, **fields)
    assert response.status == 201, response.json
    return response.json


def without(members, name):
    return {each: value for each, value in members.items() if each != name}


def public_key_only(person, algorithm="ed25519", **fields):
    return imported(person, algorithm, "public", b64(public_bytes(new_key(algorithm))), **fields)


def material_of(key):
    return load_key(UUID(key["id"])).versions[1]._unwrap().expose()


def public_key_of(person, key):
    return person.api.get(f"/api/v1/keys/{key['id']}/public-key").json


def parameters_of(person):
    return import_parameters._create(person.principal, RECIPIENT)


# --- formats


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pair_arrives_in_every_format(admin, algorithm):
    key = new_key(algorithm)
    der, pem = private_bytes(key), private_bytes(key, Encoding.PEM).decode()
    jwk = jwk_of(algorithm, key)
    for form, given in (("pkcs8", b64(der)), ("pem", pem), ("jwk", jwk), ("jwk", json.dumps(jwk))):
        made = imported(admin, algorithm, form, given)
        assert (made["origin"], made["algorithm"], made["primary_version"]) == ("imported", algorithm, 1)
        assert material_of(made) == der
        assert public_key_of(admin, made)["pem"] == public_bytes(key, Encoding.PEM).decode()


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "x25519"])
def test_a_public_key_arrives_in_every_format(admin, algorithm):
    key = new_key(algorithm)
    der, pem = public_bytes(key), public_bytes(key, Encoding.PEM).decode()
    for form, given in (
        ("public", b64(der)),
        ("pem", pem),
        ("jwk", jwk_of(algorithm, key, is_private=False)),
    ):
        made = imported(admin, algorithm, form, given)
        assert made["origin"] == "public_key"
        assert public_key_of(admin, made)["pem"] == pem


@pytest.mark.parametrize("kind", SYMMETRIC, ids=lambda kind: kind.name)
def test_symmetric_material_arrives_as_raw_bytes_and_as_jwk(admin, kind):
    octets = bytes(range(kind.key_size // 8))
    assert material_of(imported(admin, kind.name, "raw", b64(octets))) == octets
    jwk = {"kty": "oct", "k": encode_base64url(octets)}
    assert material_of(imported(admin, kind.name, "jwk", jwk)) == octets


def test_a_hybrid_key_arrives_as_raw_bytes_jwk_and_public_key(admin):
    material, public = hybrid.generate()
    raw = hybrid.raw_public(public)
    jwk = {"kty": "AKP", "pub": encode_base64url(raw), "priv": encode_base64url(material.expose())}
    for form, given in (("raw", b64(material.expose())), ("jwk", jwk)):
        made = imported(admin, hybrid.ALGORITHM, form, given)
        assert material_of(made) == material.expose()
        assert public_key_of(admin, made)["jwk"]["pub"] == encode_base64url(raw)
    made = imported(admin, hybrid.ALGORITHM, "public", b64(public))
    assert (made["origin"], made["operations"]) == ("public_key", ["encrypt", "data_key"])


def test_a_key_has_the_requested_settings_and_purpose(admin):
    made = imported(
        admin,
        "ec-p256",
        "pkcs8",
        b64(private_bytes(new_key("ec-p256"))),
        purpose="agree",
        description="from the old HSM",
        tags=["legacy"],
        exportable=True,
        expires_at="2100-01-01T00:00:00Z",
    )
    assert (made["purpose"], made["description"], made["tags"]) == ("agree", "from the old HSM", ["legacy"])
    assert (made["exportable"], made["expires_at"]) == (True, "2100-01-01T00:00:00Z")
    response = import_key(
        admin, "aes-256", "raw", b64(bytes(32)), name="again", headers={"Idempotency_Key": "a"}
    )
    assert response.headers["Location"] == f"/api/v1/keys/{response.json['id']}"
    again = import_key(
        admin, "aes-256", "raw", b64(bytes(32)), name="again", headers={"Idempotency_Key": "a"}
    )
    assert again.json == response.json


REFUSED = {
    "another curve": ("ec-p256", "pkcs8", lambda: b64(private_bytes(new_key("ec-p384")))),
    "another type": ("ed25519", "pem", lambda: private_bytes(new_key("x25519"), Encoding.PEM).decode()),
    "another size": ("rsa-3072", "pkcs8", lambda: b64(private_bytes(new_key("rsa-2048")))),
    "another size of public key": ("rsa-3072", "public", lambda: b64(public_bytes(new_key("rsa-2048")))),
    "another size of JWK": ("rsa-3072", "jwk", lambda: jwk_of("rsa-2048", new_key("rsa-2048"))),
    "garbage": ("ec-p256", "pkcs8", lambda: b64(b"\x30\x82" + bytes(200))),
    "garbage as public key": ("ed25519", "public", lambda: b64(bytes(44))),
    "no base64": ("aes-256", "raw", lambda: "###"),
    "no PEM": ("ed25519", "pem", lambda: "secret"),
    "too short": ("aes-256", "raw", lambda: b64(bytes(31))),
    "empty": ("hmac-sha256", "raw", lambda: ""),
    "too long": ("hmac-sha256", "raw", lambda: b64(bytes(1025))),
    "beyond the limit": ("hmac-sha256", "raw", lambda: b64(bytes(20_000))),
    "no text": ("aes-256", "raw", lambda: {"k": "AAAA"}),
    "no object": ("aes-256", "jwk", lambda: "[]"),
    "no JSON": ("aes-256", "jwk", lambda: "{"),
    "a number": ("aes-256", "raw", lambda: 7),
    "another kty": ("ed25519", "jwk", lambda: {"kty": "EC"}),
    "another crv": ("ed25519", "jwk", lambda: jwk_of("ed448", new_key("ed448"))),
    "a missing member": ("aes-256", "jwk", lambda: {"kty": "oct"}),
    "a member of another type": ("aes-256", "jwk", lambda: {"kty": "oct", "k": ["AAAA"]}),
    "a long member": ("rsa-2048", "jwk", lambda: jwk_of("rsa-2048", new_key("rsa-2048")) | {"p": "A" * 5000}),
    "a padded member": ("aes-256", "jwk", lambda: {"kty": "oct", "k": "AAAA="}),
    "other characters": ("ec-p256", "jwk", lambda: jwk_of("ec-p256", key := new_key("ec-p256")) | {"x": "!" + jwk_of("ec-p256", key)["x"]}),
    "a foreign public key": (
        "ml-dsa-44",
        "jwk",
        lambda: jwk_of("ml-dsa-44", new_key("ml-dsa-44"))
        | {"pub": jwk_of("ml-dsa-44", new_key("ml-dsa-44"))["pub"]},
    ),
    "a point beside the curve": ("ec-p256", "jwk", lambda: jwk_of("ec-p256", new_key("ec-p256")) | {"y": "AA" * 21 + "A"}),
    "an incomplete RSA key": ("rsa-2048", "jwk", lambda: jwk_of("rsa-2048", new_key("rsa-2048")) | {"p": "Aw"}),
    "an RSA key without its exponent": ("rsa-3072", "jwk", lambda: without(jwk_of("rsa-3072", new_key("rsa-3072")), "e")),
    "a composite factor": ("rsa-2048", "pkcs8", lambda: b64(private_bytes(rsa_with_a_composite_factor()))),
    "a composite factor in PEM": (
        "rsa-2048",
        "pem",
        lambda: private_bytes(rsa_with_a_composite_factor(), Encoding.PEM, PrivateFormat.TraditionalOpenSSL).decode(),
    ),
    "a composite factor in a JWK": ("rsa-2048", "jwk", lambda: jwk_of("rsa-2048", rsa_with_a_composite_factor())),
    "a public key that agrees": ("x25519", "public", lambda: b64(public_bytes(new_key("x25519")))),
    "a public key that only encrypts, too weak for it": (
        "rsa-2048:encrypt",
        "public",
        lambda: b64(public_bytes(new_key("rsa-2048"))),
    ),
    "a document of a symmetric key": ("aes-256", "pkcs8", lambda: b64(bytes(32))),
    "raw bytes of a pair": ("ed25519", "raw", lambda: b64(bytes(32))),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_material_is_refused_at_its_field(admin, case):
    algorithm, form, material = REFUSED[case]
    name, _, purpose = algorithm.partition(":")
    response = import_key(admin, name, form, material(), **({"purpose": purpose} if purpose else {}))
    assert (response.status, list(response.json["errors"])) == (400, ["material"]), response.json
    assert "secret" not in response.json["detail"]
    assert not Key.objects.exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"format": "der"}, "format"),
        ({"name": "A"}, "name"),
        ({"purpose": "sign"}, "purpose"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"rotation_period_days": 7}, "rotation_period_days"),
        ({"format": "wrapped"}, "import_parameters_id"),
    ],
)
def test_other_wrong_fields_are_named(admin, fields, named):
    response = import_key(admin, "aes-256", "raw", b64(bytes(32)), **fields)
    assert (response.status, list(response.json["errors"])) == (400, [named])


def test_a_public_key_in_der_may_also_be_pem(admin):
    key = new_key("ed25519")
    made = imported(admin, "ed25519", "public", public_bytes(key, Encoding.PEM).decode())
    assert public_key_of(admin, made)["pem"] == public_bytes(key, Encoding.PEM).decode()
    refused = import_key(admin, "ed25519", "pkcs8", private_bytes(key, Encoding.PEM).decode())
    assert refused.json["errors"]["material"] == ["This is a PEM. Use the format pem."]


def test_the_algorithms_of_a_refusal_can_be_created_or_imported(admin):
    body = {"name": "old", "algorithm": "rsa-1024"}
    created, imported = admin.api.post("/api/v1/keys", body), import_key_of_unknown_type(admin)
    assert created.code == imported.code == "unsupported_algorithm"
    assert "rsa-2048" not in created.json["detail"]
    assert "rsa-2048, " in imported.json["detail"]


def import_key_of_unknown_type(admin):
    body = {"name": "old", "algorithm": "rsa-1024", "format": "pkcs8", "material": ""}
    return admin.api.post("/api/v1/keys/import", body)


def test_a_weaker_rsa_key_is_unknown(admin):
    body = {"name": "old", "algorithm": "rsa-1024", "purpose": "sign", "format": "pkcs8", "material": ""}
    assert admin.api.post("/api/v1/keys/import", body).code == "unsupported_algorithm"


# --- who, how and the record


def test_only_administrators_import(admin, developer, operator):
    for person in (developer, operator):
        assert import_key(person, "aes-256", "raw", b64(bytes(32))).status == 403
        assert person.api.get("/api/v1/keys/import-parameters").status == 403
    made = imported(admin, "aes-256", "raw", b64(bytes(32)))
    assert developer.api.get(f"/api/v1/keys/{made['id']}").status == 404


def test_an_import_is_recorded_without_its_material(admin):
    octets = b"the canary's secret of 32 bytes!"
    made = imported(admin, "aes-256", "raw", b64(octets))
    event = log_rows().get(action="keys.key.imported")
    assert (event.object_id, event.outcome) == (made["id"], "ok")
    assert '"format":"raw"' in event.meta
    import_key(admin, "aes-256", "raw", b64(octets[1:]))
    assert log_rows().filter(action="keys.key.imported", outcome="error").count() == 1
    for row in AuditLog.objects.values():
        assert b64(octets)[:16] not in str(row)
    assert b64(octets)[:16] not in repr(importing.ImportRequest(
        name="x", algorithm="aes-256", format="raw", material=b64(octets), is_private_connection=True
    ))  # fmt: skip


def test_plain_material_is_accepted_on_private_connections_only(admin):
    key = new_key("ed25519")
    plain = {
        "raw": ("aes-256", b64(bytes(32))),
        "pkcs8": ("ed25519", b64(private_bytes(key))),
        "pem": ("ed25519", private_bytes(key, Encoding.PEM).decode()),
        "jwk": ("ed25519", jwk_of("ed25519", key)),
    }
    for form, (algorithm, material) in plain.items():
        response = import_key(admin, algorithm, form, material, headers=ELSEWHERE)
        assert (response.status, response.json["rule"]) == (403, "private_connection")
        assert "https" in response.json["detail"]
    imported(admin, "ed25519", "public", b64(public_bytes(key)), headers=ELSEWHERE)
    parameters = parameters_of(admin)
    wrapped = key_transport.wrap(key_transport.public_keys(RECIPIENT)[0], KeyMaterial(bytes(32)), "far")
    imported(
        admin, "aes-256", "wrapped", b64(wrapped), import_parameters_id=str(parameters.id), headers=ELSEWHERE
    )  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "headers", "secure", "expected"),
    [
        ("127.0.0.1", {}, False, True),
        ("::1", {}, False, True),
        ("", {}, False, False),
        ("203.0.113.9", {}, False, False),
        ("203.0.113.9", {}, True, True),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, False, False),
        ("127.0.0.1", {"x-forwarded-host": "keys.example.org"}, False, False),
        ("127.0.0.1", {"x-real-ip": "127.0.0.1"}, False, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False, False),
    ],
)
def test_a_connection_is_private_over_https_or_from_this_computer(peer, headers, secure, expected):
    request = RequestFactory().get("/", secure=secure, headers=headers)
    request.client_ip = peer
    assert is_private(request) is expected


# --- public keys alone


def test_a_public_key_verifies_and_nothing_else(admin):
    key = new_key("ed25519")
    made = imported(admin, "ed25519", "public", b64(public_bytes(key)))
    assert made["operations"] == ["verify"]
    body = {"key_id": made["id"], "signing_algorithm": "ed25519", "message": b64(b"m")}
    verified = admin.api.post("/api/v1/verify", body | {"signature": b64(key.sign(b"m"))})
    assert verified.json["valid"] is True
    refused = admin.api.post("/api/v1/sign", body)
    assert (refused.status, refused.code) == (409, "private_key_missing")


def test_a_public_key_does_not_rotate(admin, new_policy):
    policy = new_policy(algorithm="ed25519", rotation_policy={"every_days": 1})
    made = public_key_only(admin, policy_id=str(policy.id))
    assert (made["rotation_period_days"], made["next_rotation_at"]) == (None, None)
    response = admin.api.post(f"/api/v1/keys/{made['id']}/rotate", {"reason": "test"})
    assert (response.status, response.code) == (409, "private_key_missing")
    with pytest.raises(PrivateKeyMissing):
        rotating.material_for_rotation(admin.principal, UUID(made["id"]))


def test_a_public_key_has_no_wrapped_material_under_its_mac(admin):
    made = public_key_only(admin)
    row = KeyVersion.objects.get(key=made["id"])
    assert (bytes(row.wrapped), row.kek_id, row.state) == (b"", "", "enabled")
    assert "" not in kek_records.count_rows()
    for changes in ({"kek_id": "00000000"}, {"public_key": public_bytes(new_key("ed25519"))}):
        with transaction.atomic():
            KeyVersion.objects.filter(pk=row.pk).update(**changes)
            runtime.fresh()
            with pytest.raises(IntegrityFailed):
                load_key(UUID(made["id"]))
            transaction.set_rollback(True)
    Key.objects.filter(pk=made["id"]).update(origin="generated")
    with pytest.raises(IntegrityFailed):
        load_key(UUID(made["id"]))


def test_a_public_key_is_destroyed_as_others_are(admin):
    made = public_key_only(admin)
    key = Key.objects.get(pk=made["id"])
    schedule_deletion(admin, key)
    end_wait(key)
    assert [due.error for due in deletion.destroy_due_keys(principal=admin.principal)] == [None]
    key.refresh_from_db()
    assert (key.state, key.versions.get().state) == ("destroyed", "destroyed")


def test_a_public_key_is_not_exportable(admin):
    response = import_key(admin, "ed25519", "public", b64(public_bytes(new_key("ed25519"))), exportable=True)
    assert (response.status, list(response.json["errors"])) == (400, ["exportable"])


# --- keys that only process


def test_rsa_2048_verifies_and_does_not_sign(admin):
    made = imported(admin, "rsa-2048", "pkcs8", b64(private_bytes(new_key("rsa-2048"))), purpose="sign")
    assert (made["operations"], made["key_size"]) == (["verify"], 2048)
    body = {"key_id": made["id"], "signing_algorithm": "rsa-pss-sha256", "message": b64(b"m")}
    refused = admin.api.post("/api/v1/sign", body)
    assert (refused.status, refused.code) == (409, "key_cannot_protect")
    assert admin.api.post("/api/v1/verify", body | {"signature": b64(bytes(256))}).json["valid"] is False


def test_rsa_2048_is_not_generated(admin):
    for purpose in ("sign", "encrypt"):
        response = admin.api.post(
            "/api/v1/keys", {"name": "old", "algorithm": "rsa-2048", "purpose": purpose}
        )
        assert (response.status, list(response.json["errors"])) == (400, ["algorithm"])
    made = imported(admin, "rsa-2048", "pkcs8", b64(private_bytes(new_key("rsa-2048"))), purpose="sign")
    rotated = admin.api.post(f"/api/v1/keys/{made['id']}/rotate", {"reason": "test"})
    assert (rotated.status, rotated.code) == (409, "key_cannot_protect")
    with pytest.raises(CannotProtect):
        rotating.material_for_rotation(admin.principal, UUID(made["id"]))
    key = Key.objects.get(pk=made["id"])
    assert succeed(admin, key, algorithm="ed25519").algorithm == "ed25519"


# --- wrapped material


def test_import_parameters_are_created_once_a_day(admin):
    first = admin.api.get("/api/v1/keys/import-parameters").json
    assert admin.api.get("/api/v1/keys/import-parameters").json == first
    assert (first["wrapping_algorithm"], first["hpke_suite"]) == (
        "rsa-oaep-sha256+aes-256-kwp",
        "hpke-x25519-ml-kem-768",
    )
    assert first["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    event = log_rows().get(action="keys.import_parameters.created")
    assert event.object_id == first["id"]
    row = ImportParameters.objects.get()
    assert row.expires_at - row.created_at == timedelta(hours=24)
    row.expires_at = database_now() + timedelta(minutes=59)
    row.save_with_mac()
    assert admin.api.get("/api/v1/keys/import-parameters").json["id"] != first["id"]


@pytest.mark.parametrize("form", ["wrapped", "hpke"])
@pytest.mark.parametrize("algorithm", ["aes-256", "hmac-sha256", "ed25519", "rsa-3072", hybrid.ALGORITHM])
def test_wrapped_material_arrives(admin, form, algorithm):
    octets = {
        "aes-256": lambda: bytes(range(32)),
        "hmac-sha256": lambda: b"x",
        hybrid.ALGORITHM: hybrid.generate()[0].expose,
    }.get(algorithm, lambda: private_bytes(new_key(algorithm)))()
    parameters = import_parameters.get_import_parameters(principal=owner_of_parameters(admin))
    recipient = parameters.hpke if form == "hpke" else parameters.rsa
    wrapped = key_transport.wrap(recipient, KeyMaterial(octets, least=1), "moved")
    made = imported(
        admin, algorithm, form, b64(wrapped), name="moved", import_parameters_id=str(parameters.id)
    )
    assert material_of(made) == octets


def owner_of_parameters(person):
    """The person's principal, after their parameters were created without the wait for new RSA keys."""
    parameters_of(person)
    return person.principal


def test_every_failed_unwrapping_gives_the_same_response(admin):
    parameters = parameters_of(admin)
    rsa, hpke = key_transport.public_keys(RECIPIENT)
    for_rsa = key_transport.wrap(rsa, KeyMaterial(bytes(32)), "moved")
    for_hpke = key_transport.wrap(hpke, KeyMaterial(bytes(32)), "moved")
    responses = [
        import_key(admin, "aes-256", form, b64(wrapped), import_parameters_id=str(parameters.id), name=name)
        for form, wrapped, name in (
            ("wrapped", b"", "moved"),
            ("wrapped", for_rsa[:-1], "moved"),
            ("wrapped", bytes([for_rsa[0] ^ 1]) + for_rsa[1:], "moved"),
            ("wrapped", for_rsa[:-1] + bytes([for_rsa[-1] ^ 1]), "moved"),
            ("wrapped", for_hpke, "moved"),
            ("hpke", for_hpke[:-1], "moved"),
            ("hpke", for_hpke, "another"),
            ("hpke", for_rsa, "moved"),
        )
    ]
    assert {(response.status, tuple(response.json["errors"]["material"])) for response in responses} == {
        (400, tuple(responses[0].json["errors"]["material"]))
    }


def test_only_the_creator_uses_parameters_and_until_they_expire(admin, operator):
    parameters = parameters_of(admin)
    wrapped = key_transport.wrap(key_transport.public_keys(RECIPIENT)[0], KeyMaterial(bytes(32)), "moved")

    def refusal(principal):
        with pytest.raises(Exception, match="no import parameters") as refused:
            importing.read_materials(
                principal=principal,
                request=importing.ImportRequest(
                    name="moved",
                    algorithm="aes-256",
                    format="wrapped",
                    material=b64(wrapped),
                    is_private_connection=True,
                    import_parameters_id=parameters.id,
                ),
            )
        return list(refused.value.fields)

    other = replace(operator.principal, permissions=admin.principal.permissions, rights=ROLES["admin"])
    assert refusal(other) == ["import_parameters_id"]
    import_parameters.delete_expired_parameters()
    assert ImportParameters.objects.count() == 1
    parameters.expires_at = database_now()
    parameters.save_with_mac()
    assert refusal(admin.principal) == ["import_parameters_id"]
    import_parameters.delete_expired_parameters()
    assert not ImportParameters.objects.exists()


def test_altered_parameters_are_not_used(admin):
    parameters = parameters_of(admin)
    ImportParameters.objects.update(expires_at=database_now() + timedelta(days=9))
    with pytest.raises(IntegrityFailed):
        import_parameters.get_import_parameters(principal=admin.principal)
    with pytest.raises(IntegrityFailed):
        import_parameters.recipient_of(admin.principal, parameters.id)


# --- the examples of docs/key-import.md


def blocks(language):
    page = (settings.BASE_DIR / "docs" / "key-import.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_examples_of_the_documentation_wrap_a_key(admin, tmp_path):
    parameters = parameters_of(admin)
    rsa, hpke = key_transport.public_keys(RECIPIENT)
    key = new_key("ec-p256")
    (tmp_path / "key.pem").write_bytes(private_bytes(key, Encoding.PEM))
    (tmp_path / "recipient.pem").write_text(key_pairs.encode_pem(rsa))
    [script] = [block for block in blocks("sh") if "openssl rand" in block]
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True)
    by_openssl = (tmp_path / "wrapped.bin").read_bytes()
    wrap_by_rsa, wrap_by_hpke = (_function(block) for block in blocks("python"))
    for form, wrapped in (
        ("wrapped", by_openssl),
        ("wrapped", wrap_by_rsa(key_pairs.encode_pem(rsa), private_bytes(key))),
        ("hpke", wrap_by_hpke(hpke, private_bytes(key), "shown-hpke")),
    ):
        name = f"shown-{form}"
        made = imported(
            admin, "ec-p256", form, b64(wrapped), name=name, import_parameters_id=str(parameters.id)
        )
        assert material_of(made) == private_bytes(key)
        Key.objects.filter(pk=made["id"]).update(name=f"done-{made['id'][:8]}")


def _function(example):
    defined = {}
    exec(example, defined)  # noqa: S102 - the example of our own page
    return defined["wrap"]
