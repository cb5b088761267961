"""A restored installation continues: nothing is lost that the backup has, and no touch is found twice."""

from uuid import UUID

import pytest

from audit.log.events import Actor, Source
from audit.models import AuditAlarm
from audit.sequencing.running import checkpoint_now
from audit.verification.fsck import verify_log
from backups.restoring import restore_backup
from backups.writing import back_up
from canaries.sealed.store import read_incidents, read_set
from canaries.watching.watching import watch_log
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import EncryptRequest
from kernel.crypto.modes import SEALING_MODES
from tests.backups.databases import empty_database
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

ACTOR = Actor.system("test", Source.COMMAND)


def touches():
    log_rows()
    watch_log()
    return [each.touches for each in read_incidents().incidents]


def test_the_watcher_of_a_restored_database_continues(published, planted, key, developer, settings, tmp_path):
    def encrypt():
        mode = SEALING_MODES["aes-256-gcm"]
        request = EncryptRequest(mode=mode, plaintext=b"text", key_id=UUID(planted.object_id))
        perform_measured(request, developer.principal)

    encrypt()
    assert touches() == [1]
    encrypt()  # the backup has the entry, which the watcher has not read
    log_rows()
    back_up(tmp_path / "backup", actor=ACTOR)
    assert touches() == [2]
    (settings.CC_HOME / "audit-head").unlink(missing_ok=True)  # another machine

    with empty_database(tmp_path):
        restore_backup(tmp_path / "backup", actor=ACTOR, progress=lambda *_: None)
        assert read_set().canaries == [planted]
        assert touches() == [2]
        assert touches() == [2]
        encrypt()
        assert touches() == [3]
        checkpoint_now()
        assert verify_log().findings == []
        assert not AuditAlarm.objects.exists()
