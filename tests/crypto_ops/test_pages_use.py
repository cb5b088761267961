"""The snippets of a key contain its own names and no secret, and run unchanged."""

import ast
import base64
import html
import json
import os
import re
import subprocess

import pytest

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.asymmetric import hybrid
from kernel.pages.curl import curl_of
from tests.browsing import signed_in
from tests.personas import PASSWORD, b64


def blocks(browser, name, language):
    content = browser.get(f"/keys/{name}/use/?lang={language}").content.decode()
    return [
        html.unescape(text) for text in re.findall(r"<pre[^>]*data-value>(.*?)</pre>", content, re.DOTALL)
    ]


@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("algorithm", ["aes-256", "aes-256-siv", "ed25519", "hmac-sha256"])
def test_the_steps_name_this_key_and_this_server(bench, settings, algorithm, language):
    settings.CC_PUBLIC_URL = "https://keys.example.org"
    key = bench.key(algorithm)
    token, encrypt, decrypt = blocks(signed_in(bench.persona), key["name"], language)
    assert key["id"] in encrypt
    assert (f'"{find_key_algorithm(algorithm).modes[0]}"' in encrypt) is (algorithm != "hmac-sha256")
    assert "https://keys.example.org/auth/login" in token
    assert "https://keys.example.org/api/v1/" in encrypt
    assert "CIPHERCANARY_TOKEN" in encrypt + decrypt
    assert "@@" not in token + encrypt + decrypt


def test_the_programs_are_of_their_language(bench, key):
    browser = signed_in(bench.persona)
    for code in blocks(browser, key["name"], "python"):
        ast.parse(code)
    for code in blocks(browser, key["name"], "curl"):
        subprocess.run(["bash", "-n"], input=code, text=True, check=True)


def test_a_public_key_alone_has_no_steps_that_cannot_work(bench):
    body = {"format": "public", "material": b64(hybrid.generate()[1]), "algorithm": "x25519-ml-kem-768"}
    assert bench.persona.api.post("/api/v1/keys/import", {"name": "theirs", **body}).status == 201
    assert len(blocks(signed_in(bench.persona), "theirs", "curl")) == 1


def test_the_page_holds_no_secret(bench, key):
    browser = signed_in(bench.persona)
    content = browser.get(f"/keys/{key['name']}/use/").content.decode()
    assert bench.persona.api.token not in content
    assert PASSWORD not in content
    assert browser.cookies["session"].value not in content


def test_each_block_can_be_reached_and_scrolled_by_keyboard(bench, key):
    content = signed_in(bench.persona).get(f"/keys/{key['name']}/use/").content.decode()
    assert content.count('<pre tabindex="0" role="region" aria-label="Step ') == 3
    assert content.count("data-copy ") == 3


def test_an_unknown_language_is_the_first(bench, key):
    browser = signed_in(bench.persona)
    assert blocks(browser, key["name"], "cobol") == blocks(browser, key["name"], "client")


def test_the_client_and_its_command_are_shown_where_they_have_programs(bench, settings):
    settings.CC_PUBLIC_URL = "https://keys.example.org"
    browser = signed_in(bench.persona)
    key, kem = bench.key("ed25519"), bench.key("ml-kem-768")
    environment, sign, verify = blocks(browser, key["name"], "client")
    assert environment.startswith("export CIPHERCANARY_URL=https://keys.example.org\n")
    assert f'client.sign("{key["id"]}", b"hello canary", "ed25519")' in sign
    ast.parse(sign + verify)
    command = blocks(browser, key["name"], "command")
    assert f"ciphercanary sign {key['id']} message.txt --mode ed25519" in command[1]
    assert blocks(browser, kem["name"], "client") == blocks(browser, kem["name"], "curl")
    labels = re.findall(r'<a href="\?lang=(\w+)"', browser.get(f"/keys/{key['name']}/use/").content.decode())
    assert labels == ["client", "curl", "command", "python"]


def test_the_page_lists_unavailable_operations_with_the_reason(bench, key):
    bench.change_key(key["id"], "disable")
    content = signed_in(bench.persona).get(f"/keys/{key['name']}/use/").content.decode()
    closed = "Unavailable: Encrypt, Decrypt, Re-encrypt, Generate a data key, Derive a key."
    assert f"{closed} {key['name']} was disabled on 20" in content


def test_an_operator_reads_what_their_role_does_not_do(bench, key, operator):
    content = signed_in(operator).get(f"/keys/{key['name']}/use/").content.decode()
    assert "Your role cannot use keys" in content
    assert key["id"] in content


def test_an_auditor_has_no_such_page(bench, key, auditor):
    browser = signed_in(auditor)
    assert browser.get(f"/keys/{key['name']}/use/").status_code == 403
    assert f"/keys/{key['name']}/use/" not in browser.get(f"/keys/{key['name']}/").content.decode()


STUB = """#!/bin/sh
for argument; do test ${#argument} -lt 1024 || exit 3; done
cat > "$SENT"
printf '{"ciphertext": "cc1.%s", "data": "%s"}' "$(head -c 200000 /dev/zero | tr '\\0' A)" aGVsbG8=
"""


@pytest.fixture
def run_with_stub(tmp_path):
    """Run bash with a ``curl`` that saves its input; return that input, and the output of bash."""
    (tmp_path / "curl").write_text(STUB)
    (tmp_path / "curl").chmod(0o755)

    def run(code):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SENT": str(tmp_path / "sent")}
        command = ["bash", "-euo", "pipefail", "-s"]
        done = subprocess.run(
            command, input=code, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-1000:]
        return json.loads((tmp_path / "sent").read_text()), done.stdout

    return run


LONG = "canary sings " * 16_000  # 208 kB: no argument of a program may have more than 128 KiB on Linux


def test_the_steps_survive_a_long_message(bench, key, run_with_stub):
    _, encrypt, decrypt = blocks(signed_in(bench.persona), key["name"], "curl")
    given = "export CIPHERCANARY_TOKEN=none\n"
    sent, _ = run_with_stub(given + encrypt.replace("hello canary", LONG))
    assert base64.b64decode(sent["data"]).decode() == LONG
    assert (sent["key_id"], sent["algorithm"]) == (key["id"], "aes-256-gcm")
    sent, printed = run_with_stub(given + encrypt + decrypt)
    assert sent == {"ciphertext": "cc1." + "A" * 200_000}
    assert printed.endswith("hello\n")


def test_a_call_as_pages_show_it_survives_a_long_message(run_with_stub):
    body = {"data": LONG, "note": 'it\'s $HOME `id` \\ "quoted"\nJSON\n'}
    sent, _ = run_with_stub("export CIPHERCANARY_TOKEN=none\n" + curl_of("/api/v1/encrypt", body))
    assert sent == body
