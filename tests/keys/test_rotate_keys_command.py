import json
from datetime import timedelta
from functools import partial
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from kernel.clock import database_now
from keys.models import Key, KeyRotation, KeyRotationJob, Selection
from keys.rotation.services import jobs
from keys.states import services as states
from tests.browsing import plain, signed_in
from tests.factories import PolicyFactory
from tests.keys.steps import run_command, versions_of

pytestmark = pytest.mark.django_db

run = partial(run_command, "rotate_keys")


def test_it_rotates_what_is_due_and_nothing_else(due_key, new_key, events_of):
    due, later, never = due_key(), new_key(rotation_period_days=1), new_key()
    *lines, url = run("--due")
    assert lines == [f"{due.name}: rotated to version 2", "1 rotated, 0 failed, 0 cancelled"]
    job = KeyRotationJob.objects.get()
    assert url == f"Job: http://127.0.0.1:8000/jobs/rotations/{job.id}/"
    assert (job.status, job.done, job.total, job.reason) == ("succeeded", 1, 1, "rotation is due")
    assert versions_of(due, later, never) == [2, 1, 1]
    event = events_of(due)[-1]
    assert (event.actor_type, event.actor_name, event.source) == ("system", "rotate_keys", "command")
    assert json.loads(event.meta)["job_id"] == str(job.id)


def test_a_second_run_finds_no_due_key(due_key):
    due_key()
    run("--due")
    assert run("--due")[0] == "0 rotated, 0 failed, 0 cancelled"


def test_a_dry_run_lists_the_keys_and_changes_nothing(due_key, new_key, admin):
    due, disabled = due_key(name="a-due-key"), new_key(name="b-disabled-key")
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    assert run("--due", "--dry-run") == ["a-due-key: will rotate to version 2", "1 will rotate, 0 skipped"]
    assert run("--algorithm", "aes-256-gcm", "--dry-run") == [
        "a-due-key: will rotate to version 2",
        "b-disabled-key: skipped, disabled",
        "1 will rotate, 1 skipped",
    ]
    assert run("--name", "a-due-key", "--dry-run") == run("--due", "--dry-run")
    document = json.loads("".join(run("--algorithm", "aes-256", "--dry-run", "--json")))
    assert (document["dry_run"], document["rotate"], document["skip"]) == (True, 1, 1)
    assert document["keys"][0] == {"key_id": str(due.id), "name": "a-due-key", "effect": "rotate"}
    assert not KeyRotation.objects.exists()
    assert not KeyRotationJob.objects.exists()


def test_keys_that_are_not_active_are_not_due(due_key, admin, let_time_pass):
    disabled = due_key()
    states.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    expired = due_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(expired, expired=True)
    assert run("--due")[0] == "0 rotated, 0 failed, 0 cancelled"


def test_the_document_has_the_result_of_each_key(due_key):
    due = due_key()
    document = json.loads("".join(run("--due", "--json", "--reason", "quarterly")))
    assert (document["status"], document["completed"], document["failed"]) == ("succeeded", 1, 0)
    assert document["rotations"] == [
        {
            "key_id": str(due.id),
            "name": due.name,
            "old_version": 1,
            "new_version": 2,
            "status": "completed",
            "error_code": "",
        }
    ]
    assert KeyRotation.objects.get().rotation_reason == "quarterly"


def test_one_key_all_of_an_algorithm_or_all_under_a_policy(new_key, admin):
    policy = PolicyFactory(algorithm="chacha20")
    plain, other = new_key(), new_key(algorithm="chacha20")
    ruled = new_key(algorithm="chacha20", policy_id=policy.id)
    run("--name", plain.name)
    assert versions_of(plain, other, ruled) == [2, 1, 1]
    run("--algorithm", "chacha20")
    assert versions_of(plain, other, ruled) == [2, 2, 2]
    run("--policy", "pci")
    assert versions_of(plain, other, ruled) == [2, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--name", "no-such-key"), "no key named no-such-key"),
        (("--policy", "none"), "no policy named none"),
        (("--algorithm", "rot13"), "Unknown key algorithm"),
        (("--due", "--reason", "x" * 101), "reason: Use 1 to 100"),
        ((), "required"),
        (("--due", "--name", "a-key"), "not allowed with"),
    ],
)
def test_the_command_refuses_invalid_arguments(arguments, words):
    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_a_key_by_name_must_be_active(new_key, admin):
    key = new_key()
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    with pytest.raises(CommandError, match="The key is disabled"):
        run("--name", key.name)


def test_a_key_that_is_pending_in_another_job_is_reported_and_the_exit_code_is_1(new_key, operator):
    key = new_key(name="a-key")
    request = jobs.RotationRequest(Selection.KEYS, chosen=[(key.id, 1)])
    jobs.request_rotation(principal=operator.principal, request=request, reason="first")
    output = StringIO()
    with pytest.raises(CommandError, match="1 key is pending in another job"):
        call_command("rotate_keys", "--name", "a-key", stdout=output)
    assert output.getvalue().splitlines()[:2] == [
        "a-key: cancelled, pending_in_another_job",
        "0 rotated, 0 failed, 1 cancelled",
    ]
    job = KeyRotationJob.objects.get(reason="rotated with rotate_keys")
    page = signed_in(operator).get(f"/jobs/rotations/{job.id}/")
    assert "1 key was pending in another job, and this job left it out." in plain(page)


def test_one_failing_key_does_not_stop_the_rest_and_the_exit_code_is_1(due_key, events_of):
    broken, sound = due_key(name="a-broken-key"), due_key(name="a-sound-key")
    Key.objects.filter(pk=broken.pk).update(row_mac="")
    stray = due_key(name="b-stray-key")
    version = stray.versions.get()
    version.pk, version.version, version.is_primary = uuid4(), 2, False
    version._state.adding = True
    version.save()
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_keys", "--due", stdout=output)
    assert output.getvalue().splitlines()[:4] == [
        "a-broken-key: failed, integrity_failed",
        "a-sound-key: rotated to version 2",
        "b-stray-key: failed, dependency_unavailable",
        "1 rotated, 2 failed, 0 cancelled",
    ]
    assert versions_of(broken, sound, stray) == [1, 2, 1]
    event = events_of(broken)[-1]
    assert (event.action, event.outcome, event.code) == ("keys.key.rotated", "error", "integrity_failed")
