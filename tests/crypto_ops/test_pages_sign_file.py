"""The page that signs files signs the digests that the API signs."""

import hashlib
import re
import subprocess
from html import unescape

import pytest

from kernel.crypto.modes import SIGNING_MODES
from tests.browsing import plain, signed_in
from tests.crypto_ops.test_pages_try import results, run
from tests.log_entries import log_rows
from tests.personas import b64

CONTENT = b"a release"
DIGEST = hashlib.sha384(CONTENT).hexdigest()
MODE = "ecdsa-sha384"


@pytest.fixture
def signing_key(bench):
    return bench.key("ec-p256", name="releases")


@pytest.fixture
def browser(bench, signing_key):
    return signed_in(bench.persona)


PATH = "/keys/releases/sign-file/"


def test_the_signature_of_a_digest_is_one_of_the_file(browser, bench, signing_key):
    made = run(browser, PATH, "sign", f" {DIGEST}\n", mode=MODE)
    signature = results(made)["Signature"]
    body = {"key_id": signing_key["id"], "signing_algorithm": MODE, "message": b64(CONTENT)}
    verified = bench.persona.api.post("/api/v1/verify", body | {"signature": signature})
    assert verified.json["valid"]
    again = run(browser, PATH, "verify", DIGEST, mode=MODE, proof=signature)
    assert results(again) == {"Result": "valid"}
    other = run(browser, PATH, "verify", hashlib.sha384(b"x").hexdigest(), mode=MODE, proof=signature)
    assert "Not valid" in plain(other)
    found = log_rows().filter(object_id=signing_key["id"], source="console").order_by("id")
    assert [(row.action, row.size) for row in found] == [
        ("crypto.message.signed", 48),
        *[("crypto.signature.verified", 48)] * 2,
    ]


@pytest.mark.parametrize(
    ("algorithm", "mode"),
    [("ec-p256", MODE), ("rsa-3072:sign", "rsa-pss-sha384"), ("rsa-3072:sign", "rsa-pkcs1-sha384")],
)
def test_openssl_verifies_the_file_with_the_shown_commands(bench, tmp_path, algorithm, mode):
    name, _, purpose = algorithm.partition(":")
    key = bench.key(name, name="signs", **({"purpose": purpose} if purpose else {}))
    made = run(signed_in(bench.persona), "/keys/signs/sign-file/", "sign", DIGEST, mode=mode)
    pem = bench.persona.api.get(f"/api/v1/keys/{key['id']}/public-key").json["pem"]
    (tmp_path / "signs.pem").write_text(pem)
    (tmp_path / "FILE").write_bytes(CONTENT)
    shown = re.search(
        r'aria-label="The commands that verify the file"[^>]*>(.*?)</pre>', made.content.decode(), re.DOTALL
    )
    done = subprocess.run(
        ["bash", "-ec", unescape(shown[1])], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "Verified OK\n", done.stderr


def test_a_digest_of_another_size_is_refused_at_its_field(browser):
    refused = run(browser, PATH, "sign", DIGEST, mode="ecdsa-sha256")
    assert (refused.status_code, "Digest of the file: Must be 32 bytes" in plain(refused)) == (422, True)


def test_another_operation_of_the_key_is_refused_at_its_field(browser):
    refused = run(browser, PATH, "jwt", DIGEST, mode=MODE)
    assert (refused.status_code, list(refused.context["form"].errors)) == (422, ["operation"])


def test_the_result_becomes_the_input_of_the_same_page(browser):
    made = run(browser, PATH, "sign", DIGEST, mode=MODE)
    assert f'<form method="post" action="{PATH}"'.encode() in made.content


def test_a_key_without_digests_has_the_command_instead(bench):
    bench.key("ed25519", name="whole")
    page = signed_in(bench.persona).get("/keys/whole/sign-file/")
    assert "signs whole messages only" in plain(page)
    assert "ciphercanary sign name:whole FILE" in plain(page)
    assert b'type="file"' not in page.content


def test_a_key_that_does_not_sign_has_no_such_page(bench, key):
    assert signed_in(bench.persona).get(f"/keys/{key['name']}/sign-file/").status_code == 404


def test_the_script_finds_the_hash_function_in_the_name_of_the_mode():
    assert all(mode.name.endswith(mode.digest) for mode in SIGNING_MODES.values() if mode.digest)
