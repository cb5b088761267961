"""The host remembers the head of the log, so that an older database is not accepted as current."""

import json
import stat

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.principals import Principal
from audit import actions
from audit.errors import OlderDatabase
from audit.log.events import Source
from audit.models import AuditAlarm, AuditTree, LogTarget
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.head import Head, check_head, read_head, write_head
from audit.sequencing.running import checkpoint_now
from audit.services.log_targets import create_log_target
from audit.services.older_database import accept_older_database
from audit.tlog import merkle
from kernel.errors import Conflict, Invalid
from tests.audit.sequencing.log import ACTOR, altered, sequence_all, write, write_many
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def head_file():
    return settings.CC_HOME / "audit-head"


def signed(entries):
    write_many(entries)
    sequence_all()
    return sign_checkpoint()


def become_older():
    """Empty the log, as after a restore of an empty database: only the host's record remains."""
    for table in ("audit_logs", "audit_bundles", "audit_tiles", "audit_checkpoints"):
        altered(f"DELETE FROM {table}")  # noqa: S608 - our own tables
    AuditTree.objects.update(size=0, edge=b"", root=merkle.EMPTY_ROOT)


def test_the_head_is_written_after_each_checkpoint():
    for entries in (3, 300):
        signed(entries)
        tree = AuditTree.objects.get()
        assert read_head() == Head(tree.size, bytes(tree.root))
    assert head_file().read_text().startswith("303 ")
    assert head_file().read_text().count("\n") == 1
    assert stat.S_IMODE(head_file().stat().st_mode) == 0o600
    assert list(settings.CC_HOME.glob(".unfinished-*")) == []


def test_a_database_that_has_grown_is_taken():
    signed(300)
    write_many(5)
    sequence_step()
    check_head()


def test_a_fresh_installation_remembers_nothing(caplog):
    check_head()
    assert read_head() is None
    assert caplog.text == ""


def test_a_missing_head_of_a_log_is_written_anew_with_a_warning(caplog):
    signed(3)
    head_file().unlink()
    check_head()

    assert read_head().size == 3
    assert "audit-head is missing" in caplog.text


def test_an_older_database_is_refused_with_the_remedy():
    signed(5)
    become_older()
    write(2)
    sequence_step()

    with pytest.raises(
        OlderDatabase, match=r"has 2 audit log entries.* seen 5.*accept_older_database --reason"
    ):
        check_head()


def test_another_log_of_that_size_is_refused():
    signed(5)
    become_older()
    write_many(9)
    sequence_step()

    with pytest.raises(OlderDatabase, match=r"first 5 audit log entries are not those"):
        check_head()


def test_a_size_without_its_tiles_is_refused():
    signed(5)
    altered("DELETE FROM audit_tiles")
    with pytest.raises(OlderDatabase):
        check_head()


@pytest.mark.parametrize(
    "content", [b"", b"5\n", b"five root\n", b"5 AAAA", b"\xff\xfe", b"-1 " + b"A" * 43 + b"=\n"]
)
def test_an_unreadable_head_is_refused(content):
    signed(5)
    head_file().write_bytes(content)
    with pytest.raises(OlderDatabase, match="accept_older_database"):
        check_head()


def test_a_database_that_is_exchanged_while_it_runs_is_not_signed():
    signed(5)
    become_older()
    write(9)
    sequence_step()

    with pytest.raises(Exception, match="does not match the tree that was signed") as caught:
        sign_checkpoint()
    assert isinstance(caught.value.__cause__, OlderDatabase)
    assert read_head().size == 5


# --- accepting an older database


def test_an_older_database_is_accepted_on_record():
    signed(5)
    lost = read_head()
    become_older()
    write(2)
    sequence_step()

    assert accept_older_database(reason="the disk is gone", actor=ACTOR) == 2
    check_head()
    assert read_head().size == 2
    entry = log_rows().get(action=actions.LOG_ROLLBACK_ACCEPTED)
    meta = json.loads(entry.meta)
    assert meta == {
        "head_size": 5,
        "head_root": lost.encode().split()[1].decode(),
        "database_size": 2,
        "reason": "the disk is gone",
    }
    assert checkpoint_now().size == 3


def test_a_command_accepts_an_older_database(capsys):
    signed(5)
    become_older()
    with pytest.raises(CommandError, match="--reason"):
        call_command("accept_older_database")
    call_command("accept_older_database", reason="a test restored it")
    message = "the audit log continues from 0 entries; checkpoints of more entries contradict it\n"
    assert capsys.readouterr().out == message
    with pytest.raises(CommandError, match="nothing to accept"):
        call_command("accept_older_database", reason="once more")


def test_an_unreadable_head_can_be_accepted_too():
    signed(5)
    head_file().write_text("nothing")
    accept_older_database(reason="somebody wrote into it", actor=ACTOR)

    check_head()
    assert json.loads(log_rows().get(action=actions.LOG_ROLLBACK_ACCEPTED).meta)["head_size"] is None


def test_an_intact_database_cannot_be_accepted_as_older():
    with pytest.raises(Conflict):
        accept_older_database(reason="why not", actor=ACTOR)
    signed(5)
    with pytest.raises(Conflict):
        accept_older_database(reason="why not", actor=ACTOR)
    assert not log_rows().filter(action=actions.LOG_ROLLBACK_ACCEPTED).exists()


def test_a_head_that_cannot_be_written_leaves_nothing_behind():
    head_file().mkdir()
    with pytest.raises(IsADirectoryError):
        write_head(Head(6, b"x" * 32))
    head_file().rmdir()
    assert list(settings.CC_HOME.glob(".unfinished-*")) == []


def test_nothing_is_accepted_without_a_reason():
    with pytest.raises(Invalid, match="Enter a reason"):
        accept_older_database(reason=" ", actor=ACTOR)


def test_log_targets_stop_because_their_positions_are_older_too():
    signed(5)
    values = {"name": "siem", "url": "https://siem.example.org/"}
    target = create_log_target(principal=Principal.system("tests", Source.COMMAND), values=values, size=0)
    become_older()
    write(2)
    sequence_step()
    accept_older_database(reason="the disk is gone", actor=ACTOR)
    assert LogTarget.objects.get(pk=target.pk).check_mac().status == "stopped"
    assert AuditAlarm.objects.filter(kind=AlarmKind.LOG_TARGET_STOPPED).count() == 1
