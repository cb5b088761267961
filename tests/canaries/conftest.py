from datetime import UTC, datetime, timedelta

import pytest

from audit.actions import CHECKPOINT_KEY_PUBLISHED
from audit.sequencing.head import HEAD_FILE
from canaries.documents import HOST, Kind
from canaries.sealed.store import anchor_due
from canaries.services.planting import plant_canary
from canaries.watching.watching import watch_log
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.canaries.officers import make_officer, with_factor
from tests.log_entries import log_rows
from tests.notifications.conftest import configure, mail_server, receiver, tls  # noqa: F401 - fixtures
from tests.personas import make_persona


@pytest.fixture
def sealed(db):
    """As after the first start."""
    anchor_due()


@pytest.fixture
def key(developer):
    """A key of the developer."""
    return developer.api.post("/api/v1/keys", {"name": "payroll", "algorithm": "aes-256"}).json


@pytest.fixture
def token(developer):
    """A service token of the developer."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"name": "deploy", "scopes": ["encrypt"], "expires_at": tomorrow}
    created = developer.api.post("/api/v1/tokens", body)
    assert created.status == 201, created.json
    return created.json


@pytest.fixture
def planted(sealed, key):
    """The key is a canary."""
    return plant_canary(by=HOST, kind=Kind.KEY, object_id=key["id"], note="the wiki")


@pytest.fixture
def watch():
    """Watch everything that was recorded."""

    def until_now():
        log_rows()
        watch_log()

    return until_now


@pytest.fixture
def published(root_of_trust, settings):
    """The log has the keys of its checkpoints."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    # Only the first test of a process finds the log in which its keys are published.
    if not log_rows().filter(action=CHECKPOINT_KEY_PUBLISHED).exists():
        recreate_checkpoint_keys()
    yield
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


@pytest.fixture
def first(sealed):
    return make_officer("mira")[0].user


@pytest.fixture
def second(sealed):
    return make_officer("nils")[0].user


@pytest.fixture
def other(sealed):
    """A user who can be an officer."""
    return with_factor(make_persona("olga", "operator"))[0].user
