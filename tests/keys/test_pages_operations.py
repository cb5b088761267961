"""The actions on a key in a browser: their confirmation pages, and the refusals."""

from contextlib import nullcontext
from datetime import timedelta

import pytest

from accounts.sessions.browser_sessions import CONFIRMED_AT
from audit.log.refusals import flush
from kernel.clock import database_now
from kernel.errors import DomainError
from keys.lifecycle import LifecycleState, State, Status
from keys.models import Key
from keys.pages.operations import KEY_OPERATIONS
from keys.states import services
from tests.browsing import signed_in, text
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db


def state(key):
    return Key.objects.get(pk=key.pk).state


def let_sign_in_grow_old(browser):
    session = browser.session
    session[CONFIRMED_AT] = (database_now() - timedelta(minutes=11)).isoformat()
    session.save()


def test_a_rotation_shows_when_the_next_one_comes(admin, new_key):
    browser = signed_in(admin)
    page = text(browser.get(f"/keys/{new_key(rotation_period_days=90).name}/rotate"))
    assert "The next automatic rotation is" in page
    assert "Automatic rotation is off" in text(browser.get(f"/keys/{new_key().name}/rotate"))


def test_the_second_of_two_rotations_is_refused_and_can_be_confirmed(admin, key):
    browser = signed_in(admin)
    path = f"/keys/{key.name}/rotate"
    assert 'name="expected_version" value="1"' in text(browser.get(path))
    sent = {"reason": "quarterly", "expected_version": "1"}
    assert browser.post(path, sent).status_code == 303
    second = browser.post(path, sent)
    assert second.status_code == 422
    assert "Someone else has rotated this key. Its primary version is now 2." in text(second)
    assert 'name="expected_version" value="2"' in text(second)
    assert 'value="quarterly"' in text(second)
    assert Key.objects.get(pk=key.pk).primary_version == 2
    assert browser.post(path, sent | {"expected_version": "2"}).status_code == 303


def test_an_operation_that_the_state_forbids_shows_the_reason_and_no_form(admin, key):
    services.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    browser = signed_in(admin)
    page = text(browser.get(f"/keys/{key.name}/rotate"))
    assert "Only active keys can be rotated." in page
    assert 'name="reason"' not in page
    forced = browser.post(f"/keys/{key.name}/rotate", {"reason": "anyway"})
    assert forced.status_code == 422
    assert "Only active keys can be rotated." in text(forced)
    flush()
    entry = log_rows().latest("id")
    assert (entry.action, entry.object_type, entry.object_id) == ("keys.key.rotated", "key", str(key.id))


def test_disabling_asks_for_a_reason_and_shows_who_would_notice(admin, developer, key, use):
    use(key, developer, count=7)
    browser = signed_in(admin)
    page = text(browser.get(f"/keys/{key.name}/disable"))
    assert "7 operations: dora" in page
    assert "This key is in use.</strong> Requests of these callers will fail immediately." in page
    assert 'class="primary danger"' in page
    assert browser.post(f"/keys/{key.name}/disable", {}).status_code == 422
    assert browser.post(f"/keys/{key.name}/disable", {"reason": "test"}).status_code == 303
    assert state(key) == "suspended"


def test_the_page_to_disable_an_unused_key_shows_no_warning(admin, developer, new_key, use):
    unused, resting = new_key(), new_key()
    use(resting, developer, ago=timedelta(days=8))
    browser = signed_in(admin)
    page = text(browser.get(f"/keys/{unused.name}/disable"))
    assert "No one has used this key yet." in page
    rested = text(browser.get(f"/keys/{resting.name}/disable"))
    assert "In the last 30 days, this change would have denied 1 request. Last use: <time" in " ".join(
        rested.split()
    )
    for each in (page, rested):
        assert "in use" not in each
        assert "danger" not in each


def test_enabling_a_key_shows_why_it_was_disabled(admin, key):
    services.disable_key(principal=admin.principal, key_id=key.id, reason="drill 7")
    assert "by ada: drill 7" in text(signed_in(admin).get(f"/keys/{key.name}/enable"))


@pytest.mark.parametrize("operation", ["revoke", "mark-compromised", "schedule-deletion"])
def test_a_final_operation_requires_a_recent_sign_in_for_every_method(admin, key, operation):
    browser = signed_in(admin)
    let_sign_in_grow_old(browser)
    path = f"/keys/{key.name}/{operation}"
    sent = {"reason": "test", "name": key.name}
    for response in (browser.get(path), browser.post(path, sent)):
        assert response.status_code == 302
        assert response["Location"] == f"/reauth/?next=%2Fkeys%2F{key.name}%2F{operation}"
    assert state(key) == "active"


@pytest.mark.parametrize(
    ("operation", "end"),
    [
        ("revoke", "deactivated"),
        ("mark-compromised", "compromised"),
        ("schedule-deletion", "deletion_scheduled"),
    ],
)
def test_a_final_operation_asks_for_the_name(admin, key, operation, end):
    browser = signed_in(admin)
    path = f"/keys/{key.name}/{operation}"
    sent = {"reason": "test", "waiting_days": "30"}
    wrong = browser.post(path, sent | {"name": "another"})
    assert wrong.status_code == 422
    assert f"The name does not match. Type {key.name}." in text(wrong)
    assert state(key) == "active"
    assert browser.post(path, sent | {"name": f"  {key.name} "}).status_code == 303
    assert state(key) == end


@pytest.mark.parametrize("operation", ["revoke", "mark-compromised", "schedule-deletion"])
def test_the_safe_operation_is_offered_first_for_a_key_in_use(admin, key, use, operation):
    use(key, admin, ago=timedelta(days=6))
    browser = signed_in(admin)
    path = f"/keys/{key.name}/{operation}"
    page = text(browser.get(path))
    assert "This key is in use." in page
    assert "Disable instead" in page
    sent = {"reason": "test", "waiting_days": "30", "name": key.name}
    refused = browser.post(path, sent)
    assert refused.status_code == 422
    assert "Select this to continue, or disable the key instead." in text(refused)
    assert browser.post(path, sent | {"anyway": "on"}).status_code == 303


def test_an_idle_or_disabled_key_needs_no_further_confirmation(admin, new_key, use):
    resting, disabled = new_key(), new_key()
    use(resting, admin, ago=timedelta(days=8))
    use(disabled, admin)
    services.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    browser = signed_in(admin)
    for key in (resting, disabled):
        assert "Disable instead" not in text(browser.get(f"/keys/{key.name}/revoke"))
        assert (
            browser.post(f"/keys/{key.name}/revoke", {"reason": "test", "name": key.name}).status_code == 303
        )


@pytest.mark.parametrize("at", [LifecycleState(state, Status.ACTIVE) for state in State])
def test_an_operation_is_refused_in_words_exactly_where_it_is_not_possible(at):
    for operation in KEY_OPERATIONS.values():
        assert bool(operation.state_refusal(at)) is not operation.is_possible(at)


@pytest.mark.parametrize("slug", KEY_OPERATIONS)
@pytest.mark.parametrize("before", State)
def test_an_operation_is_offered_exactly_where_its_service_carries_it_out(admin, new_key, slug, before):
    ahead = database_now() + timedelta(hours=1)
    key = new_key(activates_at=ahead if before == "pre_activation" else None)
    row = Key.objects.get(pk=key.pk)
    row.state = before
    if before == State.DELETION_SCHEDULED:
        row.deletion_scheduled_at, row.deletion_at = database_now(), ahead
        row.state_before_deletion = State.ACTIVE
    row.save_with_mac()
    more = {"confirm_name": key.name} if slug == "schedule-deletion" else {}
    operation = KEY_OPERATIONS[slug]
    offered = operation.is_possible(row.lifecycle_state(database_now()))
    with nullcontext() if offered else pytest.raises(DomainError):
        operation.perform(principal=admin.principal, key_id=key.id, reason="test", **more)


def test_a_refused_operation_is_found_under_the_key(operator, key):
    assert signed_in(operator).post(f"/keys/{key.name}/revoke", {"reason": "because"}).status_code == 403
    flush()
    entry = log_rows().latest("id")
    assert (entry.action, entry.outcome, entry.object_type) == ("keys.key.revoked", "denied", "key")
    assert entry.object_id == str(key.id)
