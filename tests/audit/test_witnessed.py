"""Which checkpoints count as witnessed, and where their cosignatures are."""

import pytest

from audit.exports.tiles import export_log
from audit.models import AuditReceipt
from audit.sequencing.checkpoints.anchors import store_receipt
from audit.sequencing.checkpoints.witnesses import configured_witnesses
from audit.sequencing.running import checkpoint_now
from audit.services.witnessed import cosigned_note, read_witnessed
from audit.tlog.checkpoint import Checkpoint, sign_line
from audit.tlog.cosignature import find_cosignatures
from kernel.clock import process_now
from tests.audit.sequencing.log import write
from tests.audit.test_pages_cost import PAGES, cost
from tests.audit.tlog.test_cosignature import key_of
from tests.browsing import signed_in

pytestmark = pytest.mark.django_db(transaction=True)

WITNESSES = [key_of(name, f"{name}.example") for name in ("anna", "ben", "cleo")]


@pytest.fixture(autouse=True)
def two_of_three(settings):
    settings.CC_WITNESSES = [part for key, _ in WITNESSES for part in ("https://w.example", key.vkey)]
    settings.CC_WITNESS_QUORUM = 2


def new_checkpoint(*by, ago=0, text=None):
    """A checkpoint, and the cosignatures of the witnesses with these numbers, from some seconds ago."""
    write()
    row = checkpoint_now()
    head = Checkpoint.parse(text or row.note.partition("\n\n")[0] + "\n")
    for number in by:
        key, sign = WITNESSES[number]
        line = sign_line(head, key, sign, int(process_now().timestamp()) - ago - number)
        store_receipt(configured_witnesses()[number].anchor, row, line.rstrip("\n"))
    return row


def summary(row):
    witnessed = read_witnessed(row)
    return (witnessed.checkpoint and witnessed.checkpoint.size, witnessed.count, witnessed.is_late)


def test_a_checkpoint_is_witnessed_by_the_quorum_and_not_by_less():
    assert summary(new_checkpoint(0)) == (None, 0, False)
    second = new_checkpoint(0, 2)
    assert summary(second) == (second.size, 2, False)
    assert summary(new_checkpoint(1)) == (second.size, 2, False)
    last = new_checkpoint(0, 1, 2, ago=50)
    assert summary(last) == (last.size, 3, False)
    # It was witnessed when the second of them cosigned it.
    seconds = (process_now() - read_witnessed(last).at).total_seconds()
    assert 50 <= seconds - 1 < 52


def test_by_default_all_witnesses_are_required(settings):
    settings.CC_WITNESS_QUORUM = 0
    assert summary(new_checkpoint(0, 1))[0] is None
    row = new_checkpoint(0, 1, 2)
    assert summary(row)[0] == row.size


def test_no_cosignature_counts_that_is_wrong_forged_or_repeated():
    row = new_checkpoint(0, 1, text="other.example\n1\n" + "A" * 43 + "=\n")  # of another checkpoint
    assert summary(row)[0] is None
    row = new_checkpoint(0)
    [receipt] = AuditReceipt.objects.filter(size=row.size)
    store_receipt(configured_witnesses()[1].anchor, row, receipt.receipt)  # the same witness twice
    assert summary(row)[0] is None
    row = new_checkpoint(0, 1)
    AuditReceipt.objects.filter(size=row.size).update(row_mac="1.x.y")
    assert summary(row)[0] is None
    assert cosigned_note(row) == row.note


def test_newer_checkpoints_that_wait_for_a_quarter_of_an_hour_are_late(settings):
    row = new_checkpoint(0, 1, ago=16 * 60)
    assert summary(row)[2] is False  # nothing new waits
    assert summary(new_checkpoint())[2] is True
    settings.CC_ANCHOR_SECONDS = 600
    assert summary(new_checkpoint())[2] is False


def test_without_witnesses_there_is_no_state(settings):
    settings.CC_WITNESSES = []
    assert read_witnessed(checkpoint_now()) is None


def test_the_api_and_proofs_and_exports_have_the_cosignatures(auditor, tmp_path):
    row = new_checkpoint(0, 1)
    newest = new_checkpoint()
    shown = auditor.api.get("/api/v1/audit/checkpoint").json
    assert (shown["size"], shown["witnessed_size"]) == (newest.size, row.size)
    note = auditor.api.get(f"/api/v1/audit/checkpoint?size={row.size}").json["note"]
    keys = [key for key, _ in WITNESSES]
    assert {each.witness for each in find_cosignatures(note, keys)} == set(keys[:2])

    proof = auditor.api.get(f"/api/v1/audit/logs/{row.size}/proof", Accept="text/plain").raw.content.decode()
    assert proof.endswith(note)
    later = auditor.api.get(
        f"/api/v1/audit/logs/{newest.size}/proof", Accept="text/plain"
    ).raw.content.decode()
    assert later.endswith(newest.note)

    export_log(tmp_path / "export")
    assert (tmp_path / "export/checkpoints" / str(row.size)).read_text() == note


def test_the_page_shows_the_state_and_warns_if_it_is_late(auditor):
    row = new_checkpoint(0, 1)
    browser = signed_in(auditor)
    page = browser.get("/audit/").content.decode()
    assert f"Entries 1 to {row.size} witnessed" in page
    assert "by 2 of 3 witnesses (2 required)" in page
    assert cost(browser, "/audit/") == PAGES["/audit/"] + 2 <= 12
    AuditReceipt.objects.all().delete()
    new_checkpoint(0, 1, ago=16 * 60)
    new_checkpoint()
    assert "New checkpoints are not witnessed." in browser.get("/audit/").content.decode()
