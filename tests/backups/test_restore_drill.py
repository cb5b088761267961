"""The restore drill, from encryption to the verified copy."""

import io
import json
import tempfile

import pytest
from django.core.management import CommandError, call_command

from audit import actions
from audit.sequencing.head import Head, reset_head
from audit.services.older_database import accept_older_database
from audit.services.reading import last_done
from kernel.crypto.sealing.envelope import encode
from tests.backups.conftest import SYSTEM
from tests.factories import KeyFactory
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.process
def test_a_drill_decrypts_and_verifies_in_a_copy(log, tmp_path, monkeypatch, capfd):
    temporary, elsewhere = tmp_path / "temporary", tmp_path / "elsewhere"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (elsewhere / "ciphercanary").mkdir(parents=True)
    (elsewhere / "ciphercanary" / "__init__.py").touch()
    (elsewhere / "ciphercanary" / "manage.py").write_text("raise SystemExit('code of another folder')")
    monkeypatch.chdir(elsewhere)
    for algorithm in ("aes-256", "chacha20"):
        KeyFactory(name=f"a-{algorithm}", algorithm=algorithm)
    reset_head(Head(10_000, bytes(32)))
    accept_older_database(reason="a loss in the past fails no drill", actor=SYSTEM.actor)

    call_command("restore_drill", "--messages", "5")

    output = capfd.readouterr().out
    assert "5 messages decrypted" in output
    assert "entries of the audit log verified" in output
    assert "all steps" in output
    assert list(temporary.iterdir()) == []
    assert last_done(action=actions.BACKUP_CREATED) is None
    entry = log_rows().get(action=actions.BACKUP_DRILLED)
    meta = json.loads(entry.meta)
    assert (entry.outcome, meta["messages"], meta["seconds"] > 0) == ("ok", 5, True)


@pytest.mark.process
def test_a_drill_without_a_usable_target_fails(log, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"sqlite:///{tmp_path}/absent/db.sqlite3\n"))
    KeyFactory(name="one")
    with pytest.raises(CommandError, match="restore reported the problem above"):
        call_command("restore_drill", "--messages", "1", "--target-from-stdin")
    assert "unable to open database file" in capfd.readouterr().err
    assert last_done(action=actions.BACKUP_DRILLED) is None


def test_a_drill_needs_a_key(log):
    with pytest.raises(CommandError, match="There is no active key"):
        call_command("restore_drill")


def test_another_plaintext_is_a_failure(envelope, tmp_path):
    (tmp_path / "messages").write_text(f"{encode(envelope)} {'0' * 64}\n")
    with pytest.raises(CommandError, match="another plaintext"):
        call_command("restore_drill", "--decrypt", str(tmp_path / "messages"))
