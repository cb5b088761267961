"""The command without a server: its arguments, its errors, and its exit codes."""

import argparse
import io
import sys

import pytest

from ciphercanary_client.command_line import audit, main, parser
from ciphercanary_client.command_line.keys import print_key, print_table, printable
from ciphercanary_client.command_line.messages import print_plaintext
from ciphercanary_client.log_proofs import Checkpoint, VerifierKey
from ciphercanary_client.log_verification import StoredHead, Verified
from ciphercanary_client.models import Key

URL = "http://127.0.0.1:1"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command; returns its exit code and its error output."""
    monkeypatch.setenv("CIPHERCANARY_URL", URL)
    monkeypatch.setenv("CIPHERCANARY_TOKEN", "secret-token")
    monkeypatch.setattr("time.sleep", lambda _: None)

    def run(*arguments):
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["keys"],
        ["keys", "rotate", "name:orders"],
        ["encrypt"],
        ["audit"],
        ["--url", "ftp://x", "keys", "list"],
        ["--url", "", "keys", "list"],
        ["--timeout", "inf", "keys", "list"],
        ["--token", "secret-token", "keys", "list"],
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    code, error = run(*arguments)
    assert code == 2
    assert "secret-token" not in error


def test_a_missing_server_exits_with_1_and_one_line(run):
    code, error = run("keys", "show", "name:orders")
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"ciphercanary: No response from {URL}: ")


def test_a_missing_token_names_the_variable(run, monkeypatch):
    monkeypatch.delenv("CIPHERCANARY_TOKEN")
    assert run("keys", "list") == (
        2,
        "ciphercanary: The token is missing. Set CIPHERCANARY_TOKEN, or pass token (--token-file).\n",
    )


def test_the_token_can_be_in_a_file(run, tmp_path, monkeypatch):
    monkeypatch.delenv("CIPHERCANARY_TOKEN")
    file = tmp_path / "token"
    file.write_text("two words\n")
    code, error = run("--token-file", file, "keys", "list")
    assert (code, "two words" in error) == (2, False)
    file.write_text("\n")
    assert run("--token-file", file, "keys", "list")[0] == 2
    assert run("--token-file", tmp_path / "missing", "keys", "list")[0] == 2


def test_data_that_is_no_ciphertext_is_not_sent(run, tmp_path):
    file = tmp_path / "plain"
    file.write_bytes(b"hello")
    code, error = run("decrypt", file, tmp_path / "target")
    assert (code, error) == (1, "ciphercanary: The input is not a ciphertext of CipherCanary.\n")
    assert not (tmp_path / "target").exists()


def test_a_message_above_the_limit_is_not_sent(run, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(bytes((1 << 20) + 1))
    code, error = run("encrypt", "name:orders", file)
    assert (code, "--local" in error) == (2, True)


def test_the_state_of_each_server_has_its_own_file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    options = parser().parse_args(["--url", "https://keys.example.org:8443/kms", "audit", "verify"])
    assert audit.default_state(options) == tmp_path / "ciphercanary" / "keys.example.org_8443_kms.json"


def test_output_has_no_characters_that_control_a_terminal(capsys, tmp_path):
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
    members = {"na\x1bme": "or\x1bders", "tags": ["a\x9b"]}
    key = Key("1", "orders", "aes-256", "encrypt", "active", (), (), 1, members)
    print_key(key, argparse.Namespace(json=False))
    assert capsys.readouterr().out.split() == ["na?me", "or?ders", "tags", "a?"]
    head = StoredHead((VerifierKey("log\x1b", 1, bytes(32)),), None)
    checkpoint = Checkpoint("", "", "log\x1b", 1, b"", ())
    audit.print_result(Verified(head, checkpoint, None, is_first_use=True, entry="entry\x1b"), tmp_path)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\nlog?+" in shown
    print_table(("NAME", "ID"), [("orders", "1"), ("a", "2")])
    assert capsys.readouterr().out == "NAME    ID\norders  1\na       2\n"


@pytest.mark.parametrize(
    ("plaintext", "is_shown"),
    [
        ("Größe:\t1\n".encode(), True),
        (b"", True),
        (b"\x1b]0;title\x07", False),
        (b"overwritten\r", False),
        ("\x9b2J".encode(), False),
        (b"\xff", False),
        (b"cut off \xc3", False),
        (b"a" * (1 << 18) + b"\x1b", False),
    ],
    ids=repr,
)
def test_a_terminal_gets_only_text(monkeypatch, capsysbinary, plaintext, is_shown):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    if is_shown:
        print_plaintext(io.BytesIO(plaintext))
    else:
        with pytest.raises(ValueError, match="Name TARGET"):
            print_plaintext(io.BytesIO(plaintext))
    assert capsysbinary.readouterr().out == (plaintext if is_shown else b"")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    print_plaintext(io.BytesIO(plaintext))
    assert capsysbinary.readouterr().out == plaintext
