"""RSA-OAEP and HPKE over the REST interface, and in the console. Vectors are in tests/kernel/crypto."""

import base64
import subprocess

import pytest

from tests.browsing import signed_in
from tests.crypto_ops.conftest import split_form
from tests.crypto_ops.test_pages_try import results, run
from tests.personas import b64

PLAINTEXT = b"the canary sings at four"
OAEP, HPKE = "rsa-oaep-sha256", "hpke-x25519-ml-kem-768"


@pytest.fixture
def rsa_key(bench):
    return bench.key("rsa-3072", purpose="encrypt")


@pytest.fixture
def hybrid_key(bench):
    return bench.key("x25519-ml-kem-768")


def test_a_message_opens_in_each_form(bench, rsa_key, hybrid_key):
    for key, mode, aad in ((rsa_key, OAEP, {}), (hybrid_key, HPKE, {"aad": b64(b"row 7")})):
        assert (key["purpose"], key["modes"]) == ("encrypt", [mode])
        sealed = bench.encrypt(key["id"], mode, PLAINTEXT, **aad).json
        assert (sealed["iv"], sealed["tag"]) == ("", "")
        parts = {name: value for name, value in split_form(sealed).items() if name not in {"iv", "tag"}}
        for form in ({"ciphertext": sealed["ciphertext"]}, split_form(sealed, version=False), parts):
            assert bench.decrypt(**form, **aad).json["data"] == b64(PLAINTEXT)
        assert bench.decrypt(ciphertext=sealed["ciphertext"], aad=b64(b"x")).code == "decryption_failed"


def test_openssl_encrypts_for_a_key(bench, rsa_key, tmp_path):
    public = bench.persona.api.get(f"/api/v1/keys/{rsa_key['id']}/public-key").json
    assert public["jwk"]["use"] == "enc"
    (tmp_path / "public.pem").write_text(public["pem"])
    options = "rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"
    command = ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", str(tmp_path / "public.pem")]
    for option in options:
        command += ["-pkeyopt", option]
    sealed = subprocess.run(command, input=PLAINTEXT, capture_output=True, check=True).stdout
    body = {"encrypted_data": b64(sealed), "key_id": rsa_key["id"], "algorithm": OAEP}
    assert bench.decrypt(**body).json["data"] == b64(PLAINTEXT)


def test_unsuitable_data_is_not_encrypted(bench, rsa_key):
    assert bench.encrypt(rsa_key["id"], OAEP, bytes(319)).json["errors"].keys() == {"data"}
    assert bench.encrypt(rsa_key["id"], OAEP, aad=b64(b"x")).json["errors"].keys() == {"aad"}
    body = {"algorithm": OAEP, "data": b64(PLAINTEXT)}
    assert bench.persona.api.post("/api/v1/encrypt", body).json["errors"].keys() == {"key_id"}
    options = bench.encrypt(rsa_key["id"], OAEP, options={"padding": "pkcs7"})
    assert options.json["errors"].keys() == {"options"}
    items = [{"data": b64(bytes(319))}, {"data": b64(PLAINTEXT)}, {"data": "", "aad": b64(b"x")}]
    body = {"algorithm": OAEP, "key_id": rsa_key["id"], "items": items}
    results = bench.persona.api.post("/api/v1/encrypt/batch", body).json["results"]
    assert ["ciphertext" in each for each in results] == [False, True, False]
    body["items"] = [{"ciphertext": results[1]["ciphertext"]}]
    opened = bench.persona.api.post("/api/v1/decrypt/batch", body).json["results"]
    assert opened == [{"data": b64(PLAINTEXT)}]


def test_a_key_of_another_purpose_does_not_encrypt(bench, rsa_key):
    signing = bench.key("rsa-3072", purpose="sign", name="signing-rsa")
    assert bench.encrypt(signing["id"], OAEP).code == "unsupported_algorithm"
    body = {"key_id": rsa_key["id"], "signing_algorithm": "rsa-pss-sha256", "message": ""}
    assert bench.persona.api.post("/api/v1/sign", body).code == "unsupported_algorithm"
    refused = bench.persona.api.post("/api/v1/keys", {"name": "no-purpose", "algorithm": "rsa-3072"})
    assert refused.json["errors"].keys() == {"purpose"}


def test_a_message_moves_from_a_hybrid_key_to_a_symmetric_one_and_back(bench, hybrid_key):
    symmetric = bench.key("aes-256")
    sealed = bench.encrypt(hybrid_key["id"], HPKE, PLAINTEXT).json["ciphertext"]
    for target, mode in ((symmetric, "aes-256-gcm"), (hybrid_key, HPKE)):
        body = {"ciphertext": sealed, "key_id": target["id"]}
        response = bench.persona.api.post("/api/v1/reencrypt", body).json
        assert response["algorithm"] == mode
        sealed = response["ciphertext"]
    assert bench.decrypt(ciphertext=sealed).json["data"] == b64(PLAINTEXT)


def test_a_rotated_key_opens_old_messages(bench, hybrid_key):
    sealed = bench.encrypt(hybrid_key["id"], HPKE, PLAINTEXT).json
    bench.change_key(hybrid_key["id"], "rotate")
    assert bench.decrypt(**split_form(sealed, version=False)).json["key_version"] == 1
    assert bench.encrypt(hybrid_key["id"], HPKE).json["key_version"] == 2


def test_the_public_key_of_a_hybrid_key_is_x_wing(bench, hybrid_key):
    public = bench.persona.api.get(f"/api/v1/keys/{hybrid_key['id']}/public-key").json
    document = base64.b64decode("".join(public["pem"].splitlines()[1:-1]))
    assert len(document) == 24 + 1216
    assert public["jwk"]["kty"] == "AKP"
    assert public["jwk"]["pub"] == base64.urlsafe_b64encode(document[24:]).rstrip(b"=").decode()


def test_the_page_encrypts_and_decrypts(bench, hybrid_key):
    browser, path = signed_in(bench.persona), f"/keys/{hybrid_key['name']}/try/"
    sealed = results(run(browser, path, "encrypt", "hello canary", aad="row 7"))["Ciphertext"]
    assert results(run(browser, path, "decrypt", sealed, aad="row 7"))["Text"] == "hello canary"
