"""The examples of the documentation run as they are written, against a server."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings

from tests.product import Product, b64

pytestmark = pytest.mark.process


def page(name):
    return (settings.BASE_DIR / name).read_text()


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a program with the variables of the README; returns its output."""
    with Product(tmp_path_factory.mktemp("examples")) as product:
        folder, token = tmp_path_factory.mktemp("folder"), product.token()
        key = {"name": "orders", "algorithm": "aes-256"}
        assert product.send("POST", "/api/v1/keys", key, token=token).status == 201
        url = f"http://127.0.0.1:{product.port}"
        environment = {**os.environ, "URL": url, "TOKEN": token, **with_client(folder, url, token)}

        def run(*command, given=""):
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                input=given,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


def with_client(folder, url, token):
    """The environment of a program with the installed client, its command and its two variables."""
    package, command = settings.BASE_DIR / "clients" / "python", folder / "bin" / "ciphercanary"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ciphercanary_client.command_line "$@"\n')
    command.chmod(0o755)
    return {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(package),
        "XDG_STATE_HOME": str(folder / "state"),
        "CIPHERCANARY_URL": url,
        "CIPHERCANARY_TOKEN": token,
    }


def in_shell(run, name):
    [field] = re.findall(r"^field\(\) .*$", page("README.md"), re.MULTILINE)
    return run("bash", "-euc", "\n".join([field, *blocks(name, "sh")]))


def test_data_keys_and_derived_keys(run):
    in_shell(run, "docs/data-keys.md")
    printed = run(sys.executable, "-c", "\n".join(blocks("docs/data-keys.md", "python")))
    assert printed.splitlines() == ["the report", "True"]


def test_public_key_encryption_and_shared_secrets(run):
    printed = in_shell(run, "docs/public-key-encryption.md")
    assert b64(b"hello canary") in printed
    # Responses of other calls, without a line break, precede the secrets.
    agreed, same, decapsulated = re.findall(r"[A-Za-z0-9+/]{43}=$", printed, re.MULTILINE)
    assert agreed == same != decapsulated


def test_signatures_tokens_and_certificate_requests(run):
    printed = in_shell(run, "docs/signatures.md")
    assert "Signature Verified Successfully" in printed
    assert "Subject: C=DE, O=Example, CN=www.example.org" in printed
    [token] = re.findall(r"^ey\S+$", printed, re.MULTILINE)
    assert_verified(run, token)


def assert_verified(run, token):
    """By each library of the page, with the key set in jwks.json."""
    programs = blocks("docs/signatures.md", "python")
    assert len(programs) == 3
    for program in programs:
        assert "build 7" in run(sys.executable, "-W", "ignore", "-c", program, given=token)


def test_tokens_of_an_rsa_key(run):
    printed = run(
        "bash",
        "-euc",
        """send() { curl -sS "$URL/api/v1/$1" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "${@:2}"; }
        send keys -d '{"name": "tokens", "algorithm": "rsa-3072", "purpose": "sign"}'
        send jwt/sign -d '{"key_id": "name:tokens", "claims": {"sub": "build 7", "exp": 1893456000}}'
        send 'keys/name:tokens/jwks?signing_algorithm=rsa-pss-sha256' -o jwks.json""",
    )
    [token] = re.findall(r'"jwt":"(ey[^"]+)"', printed)
    assert_verified(run, token)


def in_python(run, name):
    return run(sys.executable, "-c", "\n".join(blocks(name, "python"))).splitlines()


def test_the_client(run):
    assert in_python(run, "README.md") == ["b'hello'"]
    printed = in_python(run, "docs/client.md")
    assert printed[:5] == ["b'hello'", "True", "False", "True", "b'hello'"]
    assert printed[5:9] == ["b'hello'", "b'hello'", "True", "44"]
    assert [line.endswith(code) for line, code in zip(printed[9:], ("", "404 not_found"), strict=True)] == [
        True
    ] * 2


def test_the_command_of_the_client(run):
    printed = in_shell(run, "docs/client.md")
    assert "The primary version is 2 now." in printed
    assert "the reporthello" in printed
    assert "The signature is valid." in printed
    assert "Its log begins with the" in printed


def test_files(run):
    assert in_shell(run, "docs/files.md").endswith("the report")


def test_a_local_envelope_opens_on_the_server(run):
    opened = run(
        "bash",
        "-euc",
        """printf 'the report' > local.txt
        ciphercanary encrypt name:orders local.txt local.envelope --local
        curl -sS "$URL/api/v1/stream/decrypt" -H "Authorization: Bearer $TOKEN" \\
          -H 'Content-Type: application/octet-stream' --data-binary @local.envelope""",
    )
    assert opened.endswith("the report")
