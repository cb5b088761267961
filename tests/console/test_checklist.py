"""The tasks after the installation, on Home."""

import pytest

from backups.kek_ring import copy_kek_ring
from console.key_encryption.copies import check_kek_copies
from tests.accounts.test_totp import enrol
from tests.console.conftest import SYSTEM
from tests.factories import ServiceAccountFactory

pytestmark = pytest.mark.django_db(transaction=True)


def steps(browser):
    return {step.text.partition(":")[0]: step.is_done for step in browser.get("/home/").context["steps"]}


def test_the_checklist_ticks_each_step_and_goes_when_it_is_done(
    at_admin, admin, make_key, use, request, tmp_path
):
    backup = "Back up the key-encryption key"
    assert steps(at_admin) == {
        "Create a key": False,
        "Encrypt a first message": False,
        "Connect an application": False,
        "Set up a second factor": False,
        backup: False,
        "Invite an auditor with read-only access": False,
    }
    use(make_key(admin, "payments-db"))
    request.getfixturevalue("auditor")
    ServiceAccountFactory()
    copy_kek_ring(tmp_path / "copy", actor=SYSTEM)
    check_kek_copies(principal=admin.principal, path=tmp_path / "copy")
    assert steps(at_admin) == {
        "Create a key": True,
        "Encrypt a first message": True,
        "Connect an application": True,
        "Set up a second factor": False,
        backup: True,
        "Invite an auditor with read-only access": True,
    }
    enrol(admin)
    admin.user.refresh_from_db()
    at_admin.force_login(admin.user)
    assert steps(at_admin) == {}
