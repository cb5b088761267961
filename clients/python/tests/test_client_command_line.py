"""The command without a server: its arguments, its errors, and its exit codes."""

import pytest

from ciphercanary_client.command_line import audit, main, parser
from ciphercanary_client.command_line.keys import print_table, printable

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
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    code, error = run(*arguments)
    assert code == 2
    assert "secret-token" not in error


def test_a_missing_server_exits_with_1_and_one_line(run):
    code, error = run("keys", "show", "name:orders")
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith("ciphercanary: No answer: ")


def test_a_missing_token_names_the_variable(run, monkeypatch):
    monkeypatch.delenv("CIPHERCANARY_TOKEN")
    assert run("keys", "list") == (
        2,
        "ciphercanary: The token is missing. Pass token, or set CIPHERCANARY_TOKEN.\n",
    )


def test_the_token_can_be_in_a_file(run, tmp_path, monkeypatch):
    monkeypatch.delenv("CIPHERCANARY_TOKEN")
    file = tmp_path / "token"
    file.write_text("two words\n")
    code, error = run("--token-file", file, "keys", "list")
    assert (code, "two words" in error) == (2, False)
    file.write_text("\n")
    assert run("--token-file", file, "keys", "list")[0] == 2
    assert run("--token-file", tmp_path / "missing", "keys", "list")[0] == 1


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


def test_output_has_no_characters_that_control_a_terminal(capsys):
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
    print_table(("NAME", "ID"), [("orders", "1"), ("a", "2")])
    assert capsys.readouterr().out == "NAME    ID\norders  1\na       2\n"
