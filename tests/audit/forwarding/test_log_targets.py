"""Create, change, test and delete log targets: permissions, refusals, and entries of the log."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from audit.forwarding.positions import lags_of
from audit.models import AuditTrail, LogTarget
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from kernel.clock import database_now
from kernel.errors import Conflict, Denied, Invalid, NotFound, RecentAuthRequired
from kernel.trust import kek
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.forwarding.conftest import is_due, run, write
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

URL = "https://siem.example.org/T0KEN"
VALUES = {"name": "siem", "url": URL}


def actions_of(target):
    rows = log_rows().filter(object_type="log_target", object_id=str(target.id)).order_by("id")
    return [(row.action.removeprefix("audit.log_target."), row.outcome) for row in rows]


def test_a_target_is_managed_and_every_change_is_recorded_without_secrets(admin):
    principal = admin.principal
    target = log_targets.create_log_target(
        principal=principal, values={**VALUES, "credential": "Bearer s3cret"}, size=0
    )
    named = {"principal": principal, "target_id": target.id}
    changes = {"url": "https://siem.example.org/0THER", "actions": ["keys.", "accounts."], "format": "ocsf"}
    log_targets.update_log_target(**named, changes=changes)
    log_targets.update_log_target(**named, changes=changes)  # nothing changes, so nothing is recorded
    log_targets.disable_log_target(**named)
    log_targets.enable_log_target(**named)
    log_targets.request_test(**named)
    log_targets.reset_position(**named)
    found = log_targets.get_log_target(**named)
    assert kek.unwrap_row(found).expose() == b"Bearer s3cret"
    assert (found.actions, found.size) == (["accounts.", "keys."], read_tree().size)
    assert log_targets.delete_log_target(**named) == "siem"

    words = ["created", "changed", "disabled", "enabled", "tested", "reset", "deleted"]
    assert actions_of(target) == [(word, "ok") for word in words]
    trail = AuditTrail.objects.filter(table_name="audit_log_targets")
    written = json.dumps([[row.old_values, row.new_values] for row in trail])
    metas = "".join(log_rows().values_list("meta", flat=True))
    assert "https://siem.example.org" in written
    for secret in ("s3cret", "T0KEN", "0THER"):
        assert secret not in written + metas


def test_only_administrators_who_signed_in_recently_change_targets(admin, auditor, developer, target_of):
    target = target_of()
    named = {"target_id": target.id}
    acts = [
        lambda principal: log_targets.create_log_target(principal=principal, values=VALUES),
        lambda principal: log_targets.update_log_target(principal=principal, changes={}, **named),
        lambda principal: log_targets.enable_log_target(principal=principal, **named),
        lambda principal: log_targets.disable_log_target(principal=principal, **named),
        lambda principal: log_targets.reset_position(principal=principal, **named),
        lambda principal: log_targets.delete_log_target(principal=principal, **named),
    ]
    for act in [*acts, lambda principal: log_targets.request_test(principal=principal, **named)]:
        with pytest.raises(Denied):
            act(auditor.principal)
    assert [each.name for each in log_targets.find_log_targets(principal=auditor.principal)] == ["siem"]
    with pytest.raises(Denied):
        log_targets.find_log_targets(principal=developer.principal)
    late = replace_auth_time(admin.principal)
    for act in acts:
        with pytest.raises(RecentAuthRequired):
            act(late)


def replace_auth_time(principal):
    return replace(principal, auth_time=database_now() - timedelta(minutes=11))


@pytest.fixture
def target_of(admin):
    def create(**values):
        return log_targets.create_log_target(principal=admin.principal, values={**VALUES, **values})

    return create


def test_fields_of_another_transport_are_refused(target_of, tls):
    values = {"credential": "Bearer s3cret", "ca": Path(tls[1]).read_text(), "style": "splunk"}
    for field, value in values.items():
        with pytest.raises(Invalid) as caught:
            target_of(url="tcp://siem.example.org:514", **{field: value})
        assert set(caught.value.fields) == {field}
    with pytest.raises(Invalid, match="CC_LOG_TARGET_FOLDER"):
        target_of(url="file:///tmp/log")


def test_elastic_needs_documents(target_of, admin):
    with pytest.raises(Invalid) as caught:
        target_of(style="elastic", format="cef")
    assert set(caught.value.fields) == {"format"}
    target_of(style="elastic", format="ecs")


def test_a_name_is_used_once(target_of, admin):
    target_of()
    other = target_of(name="other")
    with pytest.raises(Invalid) as caught:
        target_of()
    assert set(caught.value.fields) == {"name"}
    with pytest.raises(Invalid):
        log_targets.update_log_target(principal=admin.principal, target_id=other.id, changes={"name": "siem"})


def test_the_number_of_targets_is_limited(target_of, monkeypatch):
    monkeypatch.setattr(log_targets, "MOST_TARGETS", 2)
    target_of()
    target_of(name="second")
    with pytest.raises(log_targets.TooManyLogTargets):
        target_of(name="third")


def test_a_credential_does_not_follow_to_another_server(target_of, admin):
    target = target_of(credential="Bearer s3cret")
    named = {"principal": admin.principal, "target_id": target.id}
    with pytest.raises(Invalid) as caught:
        log_targets.update_log_target(**named, changes={"url": "https://elsewhere.example.org/"})
    assert set(caught.value.fields) == {"credential"}
    both = {"url": "https://elsewhere.example.org/", "credential": ""}
    assert not log_targets.update_log_target(**named, changes=both).has_credential


def test_a_position_is_within_the_log(log, target_of, admin):
    size = read_tree().size
    target = target_of()
    assert target.size == size
    named = {"principal": admin.principal, "target_id": target.id}
    for number in (-1, read_tree().size + 1):
        with pytest.raises(Invalid) as caught:
            log_targets.reset_position(**named, size=number)
        assert set(caught.value.fields) == {"size"}
    assert log_targets.reset_position(**named, size=3).size == 3
    lag = lags_of([LogTarget.objects.get()])[target.id]
    assert lag.entries == read_tree().size - 3
    assert 0 < lag.seconds < 60


def test_states_that_are_already_there_conflict(target_of, admin):
    named = {"principal": admin.principal, "target_id": target_of().id}
    with pytest.raises(Conflict):
        log_targets.enable_log_target(**named)
    log_targets.disable_log_target(**named)
    with pytest.raises(Conflict):
        log_targets.disable_log_target(**named)
    with pytest.raises(NotFound):
        log_targets.disable_log_target(principal=admin.principal, target_id=uuid4())


def test_an_altered_target_can_only_be_deleted(target_of, admin):
    target = target_of()
    LogTarget.objects.filter(pk=target.pk).update(url="https://evil.example.org/")
    named = {"principal": admin.principal, "target_id": target.id}
    for act in (log_targets.get_log_target, log_targets.request_test, log_targets.reset_position):
        with pytest.raises(IntegrityFailed):
            act(**named)
    log_targets.delete_log_target(**named)


def test_a_test_is_sent_also_to_a_disabled_target_and_shows_its_result(log, new_target, receiver, admin):
    target = new_target(receiver.url, format="ecs")
    named = {"principal": admin.principal, "target_id": target.id}
    log_targets.disable_log_target(**named)
    other = new_target(receiver.url, name="other", size=None)
    log_targets.request_test(**named | {"target_id": other.id})
    log_targets.request_test(**named)
    assert is_due(target)
    done = run(target)
    assert LogTarget.objects.get(name="other").test_requested_at
    log_targets.delete_log_target(**named | {"target_id": other.id})
    [(_, body)] = receiver.requests
    assert json.loads(body)["event"]["action"] == "audit.log_target.tested"
    assert (done.size, done.test_requested_at, done.test_error) == (0, None, "")
    assert done.tested_at
    write(log)
    run(target)
    assert len(receiver.requests) == 1

    receiver.response = 401
    log_targets.request_test(**named)
    assert run(target).test_error == "The receiver rejected the entries (401)."
    assert LogTarget.objects.get().failures == 0
