"""The examples of docs/log-targets.md are the output of the product, and its program verifies what is delivered."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from audit.forwarding.events.formats import FORMATS
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from tests.architecture.sources import ROOT
from tests.audit.forwarding.conftest import run, write
from tests.audit.forwarding.samples import REVOKED

PAGE = (ROOT / "docs" / "log-targets.md").read_text()
PROGRAM = next(text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


def example(heading):
    return re.search(rf"### {heading}\n.*?```\w+\n(.*?)\n```", PAGE, re.DOTALL)[1]


def test_each_example_is_what_the_product_writes():
    assert example("Canonical JSON") == FORMATS["json"](REVOKED).decode()
    for heading in ("ECS", "OCSF"):
        assert json.loads(example(heading)) == json.loads(FORMATS[heading.lower()](REVOKED)), heading
    assert example("CEF") == FORMATS["cef"](REVOKED).decode()


@pytest.fixture
def delivered(log, new_target, settings, tmp_path):
    """The lines of a verifiable target in a file, in several batches."""
    settings.CC_LOG_TARGET_FOLDER = str(tmp_path)
    target = new_target(f"file://{tmp_path}/audit.jsonl")
    run(target)
    write(log)
    run(target)
    (tmp_path / "pinned-keys").write_text("\n".join(key.vkey for key in trusted_keys()))
    (tmp_path / "verify_lines.py").write_text(PROGRAM)
    shutil.copy(ROOT / "bin" / "ccverify", tmp_path / "ccverify.py")
    return (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)


def verify(folder, lines):
    """The exit code and the text of the documented program."""
    done = subprocess.run(
        [sys.executable, "verify_lines.py"],
        cwd=folder,
        input=b"".join(lines),
        capture_output=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.django_db(transaction=True)
def test_the_documented_program_verifies_a_delivery_and_finds_each_change(delivered, tmp_path):
    ends = [place for place, line in enumerate(delivered) if line.startswith(b'{"after":')]
    assert len(ends) >= 2
    number = len(delivered) - len(ends)
    assert verify(tmp_path, delivered) == (0, f"{number} entries verified, up to {number} of the log.\n")
    first, second = delivered[: ends[0] + 1], delivered[ends[0] + 1 :]
    repeated = verify(tmp_path, [*first, *second, *second])
    assert repeated[0] == 0, repeated
    interrupted = verify(tmp_path, [*first[:3], b'{"incompl\n', *first, *second])
    assert interrupted[0] == 0, interrupted
    changed = [first[0].replace(b'"count":1', b'"count":2'), *first[1:]]
    for altered, message in (
        (changed, "are not those that were signed"),
        (first[1:], "are not those that were signed"),
        ([*second, *first], "are missing or different before entry 0"),
        ([first[1], first[0], *first[2:]], "are not those that were signed"),
    ):
        code, text = verify(tmp_path, altered)
        assert (code, message in text) == (1, True), text
