import pytest
from django.conf import settings

from accounts.principals import Principal
from audit import actions
from audit.log.events import Actor, Source
from audit.models import AuditLog
from audit.sequencing.head import HEAD_FILE
from canaries.sealed.store import anchor_due
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import EncryptRequest
from kernel.crypto.modes import SEALING_MODES
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.factories import KeyFactory
from tests.log_entries import log_rows
from tests.tampering.writing import Log, rotate_keys, sequence, sign

SYSTEM = Principal.system("test", Source.COMMAND)
ACTOR = Actor.system("test", Source.COMMAND)
PLAINTEXT = b"kept in a backup"
DESCRIPTION = "\\N, back\\slash, “quotes” 'n' \"more\", ü 😀"
# Characters that COPY, a tab-separated line or another language could spell differently.
ODD = "tab\there, \\N, back\\slash, two\nlines\r\n, \u2028 and \x0b, “quotes” 'n' \"more\", ü 😀"


@pytest.fixture
def log(transactional_db, root_of_trust, settings):
    """A log with changes, several writers, two pairs of signing keys, and entries without a leaf."""
    # Only the first test of a process finds the log in which its keys are published.
    if not log_rows().filter(action=actions.CHECKPOINT_KEY_PUBLISHED).exists():
        recreate_checkpoint_keys()
    log = Log(seed=7)
    log.write(40)
    sequence()
    sign()
    rotate_keys()
    log.write(40)
    log.operate(90, alike=9)
    anchor_due()  # the first rows of the sealed journal
    sequence()
    sign()
    assert AuditLog.objects.exclude(entries=None).exists()
    log.change(rows=1)
    yield log
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


@pytest.fixture
def envelope(log):
    """A message that a key with odd metadata has encrypted."""
    key = KeyFactory(name="odd", description=DESCRIPTION, tags=["ü", "plain"])
    request = EncryptRequest(mode=SEALING_MODES["aes-256-gcm"], plaintext=PLAINTEXT, key_id=key.id)
    return perform_measured(request, SYSTEM)


@pytest.fixture
def without_head():
    """Another machine: it remembers no audit log."""

    def forget():
        (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)

    return forget
