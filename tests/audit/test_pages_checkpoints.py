"""The page of the checkpoints, and the commands that it gives."""

import re
import shlex
import subprocess
from html import unescape

import pytest

from audit.exports.tiles import export_log
from audit.models import AuditReceipt
from audit.sequencing.running import checkpoint_now
from audit.services.proofs import list_vkeys
from tests.audit import ccverify
from tests.audit.pages import links, text_of
from tests.audit.sequencing.log import write
from tests.audit.test_pages_cost import PAGES, cost
from tests.audit.test_witnessed import WITNESSES, new_checkpoint, two_of_three  # noqa: F401 - a fixture
from tests.browsing import signed_in
from tests.tampering.altering import execute, without_triggers

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/audit/checkpoints/"


def shown_commands(page):
    found = re.findall(
        r'<pre[^>]*aria-label="The command that ([a-z ]+)"[^>]*>(.*?)</pre>', page.content.decode(), re.DOTALL
    )
    return {name: unescape(line) for name, line in found}


def test_the_page_lists_checkpoints_and_turns_to_older_ones(auditor, monkeypatch):
    monkeypatch.setattr("audit.views.checkpoints.LIMIT", 2)
    rows = [new_checkpoint(0, 1), new_checkpoint(), new_checkpoint(0)]
    browser = signed_in(auditor)
    assert PAGE in links(browser.get("/audit/"))

    first, second = browser.get(PAGE), browser.get(f"{PAGE}?page=2")

    assert [each.cosigned for each in first.context["checkpoints"]] == [1, 0]
    assert next(each.row.size for each in second.context["checkpoints"]) == rows[0].size
    assert "2 of 3 witnesses" in text_of(second)
    assert [url for url in links(first) if "?page=" in url] == [f"{PAGE}?page=2"]
    assert shown_commands(second) == {}


def test_the_page_shows_each_witness_with_its_last_valid_cosignature(auditor):
    older = new_checkpoint(0, 1)
    newer = new_checkpoint(1)
    AuditReceipt.objects.filter(size=newer.size).update(row_mac="1.x.y")
    browser = signed_in(auditor)

    shown = text_of(browser.get(PAGE))

    assert "2 of 3 must cosign a checkpoint." in shown
    assert f"anna.example Cosigned {older.size} entries" in shown
    assert f"ben.example Its cosignature of {newer.size} entries is not valid." in shown
    assert "cleo.example No cosignature yet." in shown
    assert all(key.vkey in shown for key, _ in WITNESSES)
    assert cost(browser, PAGE) == PAGES[PAGE] + 2 <= 12


def test_a_checkpoint_with_a_wrong_signature_is_not_valid(auditor):
    write()
    size = checkpoint_now().size
    with without_triggers():
        execute(
            "UPDATE audit_checkpoints SET note = replace(note, %s, %s)", [f"\n{size}\n", f"\n{size + 1}\n"]
        )

    shown = text_of(signed_in(auditor).get(PAGE))

    assert "Not valid" in shown


def test_the_commands_save_the_keys_and_the_newest_checkpoint_and_verify_the_log(auditor, tmp_path):
    row = new_checkpoint(0, 1)
    export_log(tmp_path / "DIR")
    commands = shown_commands(signed_in(auditor).get(PAGE))

    for name in ("saves the keys", "saves the newest checkpoint"):
        subprocess.run(["sh", "-c", commands[name]], cwd=tmp_path, check=True)

    assert (tmp_path / "pinned-keys").read_text().split() == list_vkeys()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        verified = ccverify.run(*shlex.split(commands["verifies an export"])[2:])
        assert (verified.returncode, verified.stderr) == (0, "")
    assert "witnessed" in verified.stdout
    assert commands["verifies the database"].endswith(
        f" --key pinned-keys --checkpoint checkpoint-{row.size}"
    )


def test_a_reader_of_own_entries_sees_checkpoints_but_no_verifications(auditor, developer):
    write()
    checkpoint_now()
    assert "The log has not been fully verified yet." in text_of(signed_in(auditor).get(PAGE))
    own = text_of(signed_in(developer).get(PAGE))
    assert "verified yet" not in own
    assert "Valid" in own
