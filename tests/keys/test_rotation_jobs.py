import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection

from accounts.users.services import editing
from kernel.clock import database_now
from kernel.errors import Conflict, Denied, Invalid, NotFound
from kernel.jobs import progress as jobs_progress
from kernel.jobs import running
from kernel.jobs.leases import MAX_ATTEMPTS
from kernel.jobs.progress import Cancelled
from keys.models import Key, KeyRotation, KeyRotationJob, RotationStatus, Selection
from keys.rotation import task
from keys.rotation.services import rotating
from keys.rotation.services.jobs import (
    RotationRequest,
    cancel_rotation_job,
    count_pending_elsewhere,
    count_rotations,
    find_rotation_jobs,
    request_rotation,
    rotate_here,
)
from keys.states import services as states
from tests.keys.steps import version_of
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db


def chosen(*keys):
    return RotationRequest(Selection.KEYS, chosen=[(key.id, key.primary_version) for key in keys])


def request(person, wanted, **fields):
    return request_rotation(principal=person.principal, request=wanted, reason="quarterly", **fields)


def run(job):
    running.run_job(task.KIND, job.id, lambda: False)
    job.refresh_from_db()
    return job


def statuses(job):
    return {row.old_key.name: (row.status, row.error_code) for row in job.rotations.select_related("old_key")}


def test_a_job_rotates_the_chosen_keys_and_is_recorded(operator, new_key, events_of):
    first, second, other = new_key(name="a-key"), new_key(name="b-key"), new_key()
    job = request(operator, chosen(first, second))
    assert statuses(job) == {"a-key": ("pending", ""), "b-key": ("pending", "")}
    job = run(job)
    assert (job.status, job.done, job.total, job.unit) == ("succeeded", 2, 2, "keys")
    assert statuses(job) == {"a-key": ("completed", ""), "b-key": ("completed", "")}
    assert [version_of(key) for key in (first, second, other)] == [2, 2, 1]
    rotation = job.rotations.first()
    assert (rotation.rotated_by_id, rotation.rotation_reason) == (operator.user.id, "quarterly")
    event = events_of(first)[-1]
    assert (event.action, event.user_id, json.loads(event.meta)["job_id"]) == (
        "keys.key.rotated",
        operator.user.id,
        str(job.id),
    )
    assert [event.action for event in log_rows().filter(object_id=str(job.id)).order_by("id")] == [
        "keys.rotation_job.requested",
        "keys.rotation_job.finished",
    ]


def test_a_job_is_recognised_by_its_request_under_each_setting_of_addresses(operator, key, settings):
    settings.CC_AUDIT_ADDRESSES = settings.CC_AUDIT_USER_AGENTS = "none"
    job = request(operator, chosen(key))
    settings.CC_AUDIT_ADDRESSES = settings.CC_AUDIT_USER_AGENTS = "full"  # it runs after a restart
    assert run(job).status == "succeeded"
    entries = log_rows().filter(object_id=str(job.id))
    assert {(entry.client_ip, entry.user_agent) for entry in entries} == {("", "")}


def test_keys_that_are_not_active_are_left_out(operator, admin, new_key):
    sound, disabled = new_key(name="a-key"), new_key()
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    assert statuses(run(request(operator, chosen(sound, disabled)))) == {"a-key": ("completed", "")}


def test_a_key_that_was_disabled_meanwhile_fails_and_one_that_was_rotated_is_cancelled(
    operator, admin, new_key
):
    disabled, rotated = new_key(name="a-disabled"), new_key(name="b-rotated")
    job = request(operator, chosen(disabled, rotated))
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    rotating.rotate_key(principal=admin.principal, key_id=rotated.id, reason="by hand")
    assert statuses(run(job)) == {
        "a-disabled": ("failed", "key_not_active"),
        "b-rotated": ("cancelled", "version_conflict"),
    }
    assert job.status == "succeeded"
    assert version_of(rotated) == 2
    denied = log_rows().get(object_id=str(disabled.id), outcome="denied")
    assert (denied.action, denied.code) == ("keys.key.rotated", "key_not_active")


def test_a_second_job_does_not_plan_what_is_pending(operator, new_key):
    key = new_key()
    first, second = request(operator, chosen(key)), request(operator, chosen(key))
    third = request(operator, RotationRequest(Selection.ALGORITHM, algorithm="aes-256"))
    assert (first.total, second.total) == (1, 0)
    for job in (second, third):
        run(job)
        assert (job.status, job.done, job.total) == ("succeeded", 0, 0)
        assert set(statuses(job).values()) == {("cancelled", "pending_in_another_job")}
        assert count_pending_elsewhere(job) == 1
    run(first)
    assert count_pending_elsewhere(first) == 0
    assert version_of(key) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "columns",
    [
        {"id": uuid4()},
        {"reason": "other"},
        {"selection": "due", "algorithm": ""},
        {"created_by_name": "other"},
        {"created_by": None},
    ],
)
def test_a_job_that_was_not_requested_fails_and_is_recorded_as_the_systems(operator, key, columns):
    job = request(operator, RotationRequest(Selection.ALGORITHM, algorithm="aes-256"))
    job.attempts = MAX_ATTEMPTS - 1
    for name, value in columns.items():
        setattr(job, name, value)
    job.save()
    job = run(KeyRotationJob.objects.get(pk=job.pk))
    assert (job.status, job.error_code) == ("failed", "integrity_failed")
    assert version_of(key) == 1
    event = log_rows().get(object_id=str(job.id), action="keys.rotation_job.failed")
    assert (event.actor_type, event.user_id, event.code) == ("system", None, "integrity_failed")


@pytest.mark.django_db(transaction=True)
def test_an_ended_job_that_was_reset_does_not_run_again(operator, key):
    job = run(request(operator, RotationRequest(Selection.ALGORITHM, algorithm="aes-256")))
    reset = {"status": "pending", "finished_at": None, "planned_at": None, "attempts": MAX_ATTEMPTS - 1}
    KeyRotationJob.objects.filter(pk=job.pk).update(**reset)
    assert run(job).error_code == "integrity_failed"
    assert version_of(key) == 2


def test_a_cancelled_job_leaves_the_rest_as_it_is(operator, new_key):
    keys = [new_key() for _ in range(3)]
    job = request(operator, chosen(*keys))
    job = cancel_rotation_job(principal=operator.principal, job_id=job.id)
    assert job.status == "cancelled"
    assert {status for status, _ in statuses(job).values()} == {"cancelled"}
    assert {version_of(key) for key in keys} == {1}
    with pytest.raises(Conflict):
        cancel_rotation_job(principal=operator.principal, job_id=job.id)


def test_a_run_that_is_stopped_cancels_the_rest_but_an_ended_one_stays(operator, new_key):
    stopped, ended = new_key(), new_key()
    for key, is_stopping, expected in (
        (stopped, lambda: True, ("cancelled", 1)),
        (ended, lambda: KeyRotationJob.objects.latest("created_at").has_ended, ("succeeded", 2)),
    ):
        job = rotate_here(
            principal=operator.principal,
            request=chosen(key),
            reason="quarterly",
            is_stopping=is_stopping,
            report=jobs_progress.ignore,
        )
        assert (job.status, version_of(key)) == expected


@pytest.mark.django_db(transaction=True)
def test_a_job_of_someone_who_lost_the_right_fails(operator, admin, key):
    job = request(operator, chosen(key))
    editing.update_user(principal=admin.principal, user_id=operator.user.id, changes={"role": "auditor"})
    job = run(job)
    assert (job.status, job.error_code) == ("failed", "permission_denied")
    assert {status for status, _ in statuses(job).values()} == {"cancelled"}
    assert version_of(key) == 1


def test_a_rotation_job_is_refused_without_permission_or_a_valid_selection(operator, developer, auditor, key):
    for person in (developer, auditor):
        with pytest.raises(Denied):
            request(person, chosen(key))
    with pytest.raises(NotFound):
        request(operator, RotationRequest(Selection.POLICY, policy_id=key.id))
    with pytest.raises(Invalid):
        request(operator, RotationRequest(Selection.KEYS, chosen=[(key.id, 1)] * 501))
    with pytest.raises(Denied):
        find_rotation_jobs(principal=developer.principal)


def test_a_run_after_an_interruption_in_the_plan_or_in_the_rotations_ends_it(operator, new_key, monkeypatch):
    keys = [new_key() for _ in range(5)]
    monkeypatch.setattr(task, "PLANNED_AT_ONCE", 2)
    job = request(operator, RotationRequest(Selection.ALGORITHM, algorithm="aes-256"))

    def interrupted(after):
        calls = iter(range(100))

        def progress(done, total=None):
            if next(calls) >= after:
                raise Cancelled

        return progress

    for after in (1, 2, 4, 2):  # in the plan twice, then among the rotations
        leased = KeyRotationJob.objects.get(pk=job.pk)
        with pytest.raises(Cancelled):
            task.run(leased, interrupted(after))
    assert 0 < job.rotations.completed().count() < 5
    assert run(job).status == "succeeded"
    assert [version_of(key) for key in keys] == [2] * 5
    assert KeyRotation.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_simultaneous_runs_and_jobs_rotate_each_key_once(operator, new_key):
    keys = [new_key() for _ in range(12)]
    wanted = RotationRequest(Selection.ALGORITHM, algorithm="aes-256")
    shared, other = request(operator, wanted), request(operator, wanted)
    starting_line = Barrier(4)

    def attempt(job):
        starting_line.wait()
        try:
            task.run(KeyRotationJob.objects.get(pk=job.pk), lambda _done, _total=None: None)
        except jobs_progress.Stop:
            pass  # the plan of the other run was faster
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(attempt, job) for job in (shared, shared, shared, other)]:
            future.result()
    for job in (shared, other):
        run(job)
    assert [version_of(key) for key in keys] == [2] * 12
    assert KeyRotation.objects.completed().count() == 12
    assert not KeyRotation.objects.pending().exists()


@pytest.mark.django_db(transaction=True)
def test_rotating_and_disabling_at_once_leave_one_order(operator, admin, new_key):
    for _ in range(5):
        key = new_key()
        job = request(operator, chosen(key))
        starting_line = Barrier(2)

        def disable(key=key, starting_line=starting_line):
            starting_line.wait()
            try:
                states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
            finally:
                connection.close()

        def rotate(job=job, starting_line=starting_line):
            starting_line.wait()
            try:
                running.run_job(task.KIND, job.id, lambda: False)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(disable), pool.submit(rotate)]:
                future.result()
        stored, row = Key.objects.get(pk=key.pk).check_mac(), job.rotations.get()
        assert stored.state == "suspended"
        expected = {"completed": 2, "failed": 1}
        assert stored.primary_version == stored.versions.count() == expected[row.status]


KILLED = """
import os, signal, django
os.environ["DJANGO_SETTINGS_MODULE"] = "ciphercanary.settings"
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = os.environ["NAME"]
from keys.rotation import task
original, calls = task.perform_rotation, iter(range(1000))
def perform(principal, rotation_id):
    original(principal, rotation_id)
    if next(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
task.perform_rotation = perform
from kernel.jobs import running
from tests.log_entries import log_rows
running.run_job(task.KIND, os.environ["JOB"], lambda: False)
"""


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_job_continues_after_its_worker_was_killed(operator, new_key, home):
    keys = [new_key() for _ in range(9)]
    job = request(operator, RotationRequest(Selection.ALGORITHM, algorithm="aes-256"))
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={
            **os.environ,
            "CC_HOME": str(home),
            "NAME": connection.settings_dict["NAME"],
            "JOB": str(job.id),
        },
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert job.rotations.completed().count() == 4
    KeyRotationJob.objects.filter(pk=job.pk).update(lease_until=database_now())
    assert run(job).status == "succeeded"
    assert [version_of(key) for key in keys] == [2] * 9
    assert count_rotations(job)[RotationStatus.COMPLETED] == 9
