"""A full verification as a job: one at a time, with its result in the log."""

from uuid import uuid4

import pytest

from audit import actions
from audit.models import AuditAlarm, AuditVerification
from audit.sequencing.catching_up import catch_up
from audit.sequencing.running import checkpoint_now
from audit.services.verifications import last_verification
from audit.verification import jobs, recording
from kernel.jobs.job import Status
from kernel.jobs.leases import MAX_ATTEMPTS
from kernel.jobs.progress import Cancelled
from tests.audit.exports.exporting import work
from tests.audit.pages import links, text_of
from tests.audit.sequencing.log import altered, recreate_checkpoint_keys, write
from tests.browsing import signed_in
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)

CHECKPOINTS, NEW = "/audit/checkpoints/", "/audit/checkpoints/verification"


@pytest.fixture(autouse=True)
def signed_log(empty_log):
    """A log with the keys of its checkpoints, and a checkpoint."""
    recreate_checkpoint_keys()
    write(3)
    checkpoint_now()


def start(browser):
    return browser.post(NEW, follow=True)


def test_a_worker_verifies_the_log_and_the_pages_show_the_result(auditor):
    browser = signed_in(auditor)
    assert NEW in links(browser.get(CHECKPOINTS))

    queued = start(browser)
    work()

    job = AuditVerification.objects.get()
    assert (job.status, job.findings) == (Status.SUCCEEDED, 0)
    assert "Full verification queued." in text_of(queued)
    assert f"{job.entries} entries verified without findings." in text_of(
        browser.get(f"/jobs/verifications/{job.id}/")
    )
    catch_up()
    assert last_verification().entries == job.entries
    entry = log_rows().get(action=actions.LOG_VERIFIED)
    assert (entry.actor_name, entry.source) == (auditor.user.username, "scheduler")
    assert "passed" in text_of(browser.get(CHECKPOINTS))


def test_findings_raise_an_alarm_and_the_job_names_the_remedy(auditor):
    altered("UPDATE audit_logs SET actor_name = 'x' WHERE id = (SELECT min(id) FROM audit_logs)")
    browser = signed_in(auditor)
    start(browser)
    work()

    job = AuditVerification.objects.get()
    assert (job.status, job.findings > 0) == (Status.SUCCEEDED, True)
    assert "verify_audit_log" in text_of(browser.get(f"/jobs/verifications/{job.id}/"))
    assert AuditAlarm.objects.filter(kind="verification_failed").exists()


def test_only_one_runs_at_a_time(auditor):
    browser = signed_in(auditor)
    start(browser)

    refused = browser.post(NEW)

    assert refused.status_code == 422
    assert "A full verification is already queued or running." in text_of(refused)
    assert AuditVerification.objects.count() == 1


def test_a_cancelled_one_leaves_no_result(auditor):
    start(signed_in(auditor))
    job = AuditVerification.objects.get()

    def progress(_done, _total=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        jobs.run(job, progress)
    cancelled = jobs.cancel_verification(principal=auditor.principal, job_id=job.id)

    catch_up()
    assert cancelled.status == Status.CANCELLED
    assert last_verification() is None


@pytest.mark.parametrize("forged", ["the requester", "the requester and the entry", "the row"])
def test_one_that_was_not_requested_does_not_run_and_names_no_user(auditor, operator, forged):
    start(signed_in(auditor))
    catch_up()
    job = AuditVerification.objects.get()
    job.attempts = MAX_ATTEMPTS - 1
    if forged == "the row":  # while the log has the request of another job
        job.delete()
        job.id = uuid4()
        job.save(force_insert=True)
    else:
        job.created_by, job.created_by_name = operator.user.id, operator.user.username
        job.save()
    if forged == "the requester and the entry":
        altered(
            "UPDATE audit_logs SET actor_name = %s, user_id = %s WHERE action = %s",
            operator.user.username,
            operator.user.id.hex,
            actions.VERIFICATION_REQUESTED,
        )
    work()

    assert AuditVerification.objects.get().error_code == "integrity_failed"
    assert not log_rows().filter(action=actions.LOG_VERIFIED).exists()
    entry = log_rows().get(action=actions.VERIFICATION_FAILED)
    assert (entry.actor_type, entry.user_id, entry.code) == ("system", None, "integrity_failed")


def test_one_that_dies_is_shown_and_recorded_as_failed(auditor, monkeypatch):
    def out_of_memory(**_):
        raise MemoryError

    monkeypatch.setattr(recording, "verify_log", out_of_memory)
    browser = signed_in(auditor)
    start(browser)
    work()

    job = AuditVerification.objects.get()
    assert (job.status, job.error_code) == (Status.FAILED, "internal")
    assert "An unexpected error occurred." in text_of(browser.get(f"/jobs/verifications/{job.id}/"))
    assert log_rows().get(action=actions.VERIFICATION_FAILED).code == "internal"
    start(browser)
    assert AuditVerification.objects.filter(status=Status.PENDING).count() == 1


def test_operators_see_verifications_but_start_none(operator, auditor):
    start(signed_in(auditor))
    browser = signed_in(operator)
    assert NEW not in links(browser.get(CHECKPOINTS))
    assert browser.post(NEW).status_code == 403
    assert browser.get(f"/jobs/verifications/{AuditVerification.objects.get().id}/").status_code == 200
