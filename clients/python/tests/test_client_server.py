"""Both clients and the command against a running server."""

import asyncio
import base64
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ciphercanary_client import AsyncClient, Client, DecryptionFailed, NotFound, PermissionDenied
from ciphercanary_client.command_line import main
from ciphercanary_client.errors import AuthenticationFailed
from tests.product import Product

pytestmark = pytest.mark.process

LARGE = os.urandom(3 << 20) + b"end"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Product(tmp_path_factory.mktemp("client")) as product:
        token = product.token()
        with Client(product_url(product), token) as client:
            for name, algorithm in (
                ("orders", "aes-256"),
                ("releases", "ed25519"),
                ("webhooks", "hmac-sha256"),
            ):
                client.create_key(name, algorithm)
        yield product_url(product), token


def product_url(product):
    return f"http://{product.host}:{product.port}"


@pytest.fixture
def client(served):
    with Client(*served) as made:
        yield made


@pytest.fixture
def run(served, tmp_path, monkeypatch, capsysbinary):
    """Run the command in a folder of its own; returns its exit code, and its output or its error output."""
    monkeypatch.setenv("CIPHERCANARY_URL", served[0])
    monkeypatch.setenv("CIPHERCANARY_TOKEN", served[1])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, given=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        code = main(arguments)
        output = capsysbinary.readouterr()
        return code, output.out or output.err

    return run


def test_messages_signatures_and_macs(client):
    ciphertext = client.encrypt("name:orders", b"hello", b"order 7")
    assert client.decrypt(ciphertext, b"order 7") == b"hello"
    with pytest.raises(DecryptionFailed):
        client.decrypt(ciphertext)
    signature = client.sign("name:releases", b"build 7")
    assert client.verify("name:releases", b"build 7", signature)
    assert client.verify("name:releases", b"build 7", bytes(signature))
    assert not client.verify("name:releases", b"build 8", signature)
    mac = client.mac("name:webhooks", b"event")
    assert client.verify_mac("name:webhooks", b"event", mac)
    assert not client.verify_mac("name:webhooks", b"another", mac)


def test_keys_and_rotation(client):
    assert {"orders", "releases", "webhooks"} <= {key.name for key in client.keys(status="active")}
    version = client.key("name:webhooks").primary_version
    assert client.rotate("name:webhooks", "a test", expected_version=version).new_version == version + 1
    with pytest.raises(NotFound):
        client.key("name:unknown")
    derived = {"key_id": "name:orders", "context": "dGVuYW50IDc=", "bits": 256}
    assert len(base64.b64decode(client.call("POST", "/api/v1/derive", derived)["derived"])) == 32
    pair = client.data_key("name:orders", key_pair="ed25519")
    assert client.decrypt(pair.ciphertext) == pair.plaintext


def test_a_wrong_token_is_an_error(served):
    with Client(served[0], "cct_wrong") as client, pytest.raises(AuthenticationFailed):
        client.key("name:orders")


def test_a_token_without_a_scope_names_the_rule(served, client):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    members = {"name": "narrow", "scopes": ["encrypt"], "expires_at": tomorrow}
    token = client.call("POST", "/api/v1/tokens", members, idempotency_key="narrow")["token"]
    with Client(served[0], token) as narrow:
        ciphertext = narrow.encrypt("name:orders", b"hello", mode="aes-256-gcm")
        with pytest.raises(PermissionDenied) as raised:
            narrow.decrypt(ciphertext)
        assert raised.value.members["rule"]


def test_the_server_decrypts_a_local_envelope(client, tmp_path):
    (tmp_path / "plain").write_bytes(b"the report")
    with client.envelope("name:orders") as envelope:
        envelope.encrypt_file(tmp_path / "plain", tmp_path / "sealed")
    client.decrypt_file(tmp_path / "sealed", tmp_path / "opened")
    assert (tmp_path / "opened").read_bytes() == b"the report"


def test_files_through_the_server(client, tmp_path):
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    for content in (LARGE, b""):
        plain.write_bytes(content)
        client.encrypt_file("name:orders", plain, sealed, b"aad")
        client.decrypt_file(sealed, opened, b"aad")
        assert opened.read_bytes() == content
    client.encrypt_file("name:orders", plain, sealed)
    sealed.write_bytes(sealed.read_bytes()[:-1])
    with pytest.raises(DecryptionFailed):
        client.decrypt_file(sealed, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opened", "plain", "sealed"]


def test_envelopes_survive_a_rotation(client, tmp_path):
    with client.envelope("name:orders") as envelope:
        sealed = envelope.encrypt(b"hello", b"aad")
    client.rotate("name:orders", "a test")
    with client.envelope("name:orders") as envelope:
        assert envelope.decrypt(sealed, b"aad") == b"hello"


def test_the_asynchronous_client(served, tmp_path):
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(LARGE)

    async def use():
        async with AsyncClient(*served) as client:
            ciphertexts = await asyncio.gather(*(client.encrypt("name:orders", b"hello") for _ in range(20)))
            assert {await client.decrypt(each) for each in ciphertexts} == {b"hello"}
            await client.encrypt_file("name:orders", plain, sealed)
            await client.decrypt_file(sealed, opened)
            async with client.envelope("name:orders") as envelope:
                assert await envelope.decrypt(await envelope.encrypt(b"hello")) == b"hello"

    asyncio.run(use())
    assert opened.read_bytes() == LARGE


def test_the_command_encrypts_and_decrypts_files_and_messages(run, tmp_path, monkeypatch):
    (tmp_path / "plain").write_bytes(LARGE)
    assert run("encrypt", "name:orders", "plain", "stream", "--aad", "a") == (0, b"")
    assert run("encrypt", "name:orders", "plain", "envelope", "--local", "--aad", "a") == (0, b"")
    code, piped = run("encrypt", "name:orders", "--local", "--aad", "a", given=LARGE)
    (tmp_path / "piped").write_bytes(piped)
    for name in ("stream", "envelope", "piped"):
        assert run("decrypt", name, "opened", "--aad", "a") == (0, b"")
        assert (tmp_path / "opened").read_bytes() == LARGE
        (tmp_path / "opened").unlink()
    assert run("decrypt", "--aad", "a", given=piped) == (0, LARGE)
    assert run("encrypt", "name:orders", "plain", "from-file", "--local")[0] == 0
    assert run("encrypt", "name:orders", "-", "from-input", "--local", given=b"hello")[0] == 0
    assert run("decrypt", "from-input") == (0, b"hello")
    code, ciphertext = run("encrypt", "name:orders", given=b"hello")
    assert (code, ciphertext[:4]) == (0, b"cc1.")
    assert run("decrypt", given=ciphertext) == (0, b"hello")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, error = run("decrypt", "--aad", "a", given=piped)  # binary
    assert (code, b"Name TARGET" in error) == (2, True)
    code, error = run("decrypt", "stream", "opened")
    assert (code, b"decryption_failed" in error) == (1, True)
    assert not (tmp_path / "opened").exists()


def test_the_command_signs_and_verifies(run, tmp_path):
    _, signature = run("sign", "name:releases", given=b"build 7")
    (tmp_path / "signature").write_bytes(signature)
    assert run("verify", "name:releases", "signature", given=b"build 7") == (0, b"The signature is valid.\n")
    assert run("verify", "name:releases", "signature", given=b"build 8")[0] == 1
    (tmp_path / "signature").write_bytes(b"?")
    assert run("verify", "name:releases", "signature", given=b"build 7")[0] == 2


def test_the_command_shows_and_changes_keys(run):
    code, listed = run("keys", "list")
    assert (code, listed.split()[0]) == (0, b"NAME")
    assert b"releases" in listed
    code, shown = run("keys", "show", "name:releases", "--json")
    assert json.loads(shown)["algorithm"] == "ed25519"
    assert run("keys", "create", "archive", "--tag", "a", "--json")[0] == 0
    code, shown = run("keys", "show", "name:archive")
    assert b"aes-256-gcm, aes-256-gcm-siv" in shown
    assert [
        json.loads(line)["name"]
        for line in run("keys", "list", "--search", "archive", "--json")[1].splitlines()
    ] == ["archive"]
    code, rotated = run("keys", "rotate", "name:archive", "--reason", "a test")
    assert (code, rotated) == (0, b"The primary version is 2 now. It was 1 before.\n")
    assert (
        json.loads(run("keys", "rotate", "name:archive", "--reason", "a test", "--json")[1])["new_version"]
        == 3
    )
    code, error = run("keys", "show", "name:unknown")
    assert (code, b"404 not_found" in error) == (1, True)


def test_the_command_verifies_the_audit_log(run, client, tmp_path):
    code, first = run("audit", "verify")
    assert (code, b"Compare them" in first) == (0, True)
    client.encrypt("name:orders", b"hello")
    newest = client.call("GET", "/api/v1/audit/logs", query={"limit": "1"})["results"][0]["id"]
    keys = tmp_path / "keys"
    keys.write_text(client.text("/.well-known/ciphercanary-audit-keys"))
    code, second = run("audit", "verify", "--entry", str(newest), "--key", str(keys))
    assert code == 0, second
    assert b"that were verified before" in second
    assert b"crypto.message.encrypted" in second

    [state] = (tmp_path / "state" / "ciphercanary").iterdir()
    stored = json.loads(state.read_text())
    size = int(stored["checkpoint"].split("\n")[1])
    # As if the log had been rewritten since then.
    stored["checkpoint"] = stored["checkpoint"].replace(f"\n{size}\n", f"\n{size - 1}\n", 1)
    state.write_text(json.dumps(stored))
    code, error = run("audit", "verify")
    assert (code, b"does not begin with" in error) == (1, True)
