"""``ciphercanary-manage`` gives a command the settings and the secrets of the service."""

import subprocess

from tests.architecture.sources import ROOT

SCRIPT = (ROOT / "deploy" / "systemd" / "ciphercanary-manage").read_text()
ENVIRONMENT = r"""
# A comment
; another

CC_PUBLIC_URL=https://keys.example.org/?a=1&b=2#c
OTEL_SERVICE_NAME=$(touch ran) `touch ran` $HOME; touch ran
CC_ANCHOR_FILE="/srv/our anchors/log"
LOG_LEVEL='DEBUG'"""


def started_with(folder, environment):
    """The environment of the command, which prints it instead of running."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "CC_KEK").write_text("id:a b$c\n")
    (folder / "environment").write_text(environment)
    script = SCRIPT.partition("exec setpriv")[0].replace("/etc/ciphercanary", str(folder)) + "exec env -0"
    return subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root"},
        capture_output=True,
        check=False,
    )


def test_the_settings_are_data_and_no_script(tmp_path):
    done = started_with(tmp_path, ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, b"")
    names = dict(line.split("=", 1) for line in done.stdout.decode().rstrip("\0").split("\0"))
    assert (
        names.items()
        >= {
            "CC_HOME": "/var/lib/ciphercanary",
            "CC_KEK": "id:a b$c",
            "CC_PUBLIC_URL": "https://keys.example.org/?a=1&b=2#c",
            "OTEL_SERVICE_NAME": "$(touch ran) `touch ran` $HOME; touch ran",
            "CC_ANCHOR_FILE": "/srv/our anchors/log",
            "LOG_LEVEL": "DEBUG",
        }.items()
    )
    assert not (tmp_path / "ran").exists()


def test_another_line_is_refused_without_its_text(tmp_path):
    done = started_with(tmp_path, "export secret\n")
    assert done.returncode == 1
    assert b"NAME=value" in done.stderr
    assert b"secret\n" not in done.stderr.replace(str(tmp_path).encode(), b"")
