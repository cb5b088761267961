"""Attackers with read or write access to the table of browser sessions gain no session."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client

from accounts.models import BrowserSession
from accounts.session_engine import SessionStore, row_key
from kernel import runtime
from kernel.clock import database_now, process_now
from tests.accounts.test_browser_sessions import is_inside, row_of, sign_in
from tests.clocks import travel
from tests.personas import PASSWORD

pytestmark = pytest.mark.django_db


def test_the_database_holds_the_hash_of_a_cookie_only(developer):
    browser = sign_in(developer)
    keys = [browser.session.session_key]
    assert browser.post("/reauth/", {"password": PASSWORD}).status_code == 303
    keys.append(browser.session.session_key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM browser_sessions")
        table = str(cursor.fetchall())
    data = str([row.get_decoded() for row in BrowserSession.objects.all()])
    assert row_key(keys[1]) in table
    assert developer.user.id.hex in data.replace("-", "")
    assert not any(key in table + data for key in keys)


def test_the_stored_session_key_does_not_sign_in(developer):
    thief = Client()
    thief.cookies["session"] = row_of(sign_in(developer)).session_key
    assert not is_inside(thief)


def test_a_session_copied_to_another_key_opens_nothing(developer, auditor):
    """An attacker who can write to the database copies another user's session data to their own session key."""
    his, hers = sign_in(developer), sign_in(auditor)
    data = row_of(hers).session_data
    BrowserSession.objects.filter(session_key=row_of(his).session_key).update(session_data=data)
    assert not is_inside(his)
    assert is_inside(hers)


def test_a_whole_row_under_another_key_opens_nothing(developer):
    browser, row = Client(), row_of(sign_in(developer))
    BrowserSession.objects.filter(pk=row.pk).update(session_key=row_key("k" * 32))
    browser.cookies["session"] = "k" * 32
    assert not is_inside(browser)


@pytest.mark.parametrize("column", ["user_id", "id", "subject_version"])
def test_a_session_hidden_from_its_user_opens_nothing(developer, stranger, column):
    browser = sign_in(developer)
    value = 7 if column == "subject_version" else stranger.user.id
    BrowserSession.objects.update(**{column: value})
    assert not is_inside(browser)


def test_a_moved_expiry_prolongs_nothing(developer, settings):
    settings.SESSION_COOKIE_AGE = 60
    browser = sign_in(developer)
    row = row_of(browser)
    BrowserSession.objects.update(expire_date=database_now() + timedelta(days=1))
    with travel(process_now() + timedelta(minutes=2)):
        assert not row.get_decoded()
        assert not is_inside(browser)


@pytest.mark.postgresql
@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_new_process_with_a_wrong_clock_neither_ends_nor_prolongs_a_session(developer, ahead):
    browser = sign_in(developer)
    runtime.fresh()
    with time_machine.travel(datetime.now(UTC) + ahead):
        assert is_inside(browser)
        assert SessionStore().get_expiry_age(expiry=database_now() + timedelta(seconds=90)) in {89, 90}
        BrowserSession.objects.update(expire_date=database_now() - timedelta(seconds=1))
        runtime.fresh()
        assert not is_inside(browser)


@pytest.mark.postgresql
def test_a_command_with_a_wrong_clock_ends_no_session(developer):
    browser = sign_in(developer)
    runtime.fresh()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        SessionStore.clear_expired()
    assert is_inside(browser)


def test_a_session_without_a_user_cannot_be_prolonged_either(developer):
    store = SessionStore()
    store["pending"] = "x"
    store.set_expiry(60)
    store.save()
    assert SessionStore(store.session_key)["pending"] == "x"
    BrowserSession.objects.update(expire_date=database_now() + timedelta(days=1))
    with travel(process_now() + timedelta(minutes=2)):
        assert SessionStore(store.session_key).get("pending") is None


def test_the_asynchronous_methods_store_sessions_as_the_others_do():
    store = SessionStore()
    async_to_sync(store.aset)("word", "x")
    async_to_sync(store.asave)()
    before, store.modified = store.session_key, False
    async_to_sync(store.acycle_key)()
    assert store.modified, "the browser gets the new key"
    async_to_sync(store.asave)()
    other = SessionStore()
    async_to_sync(other.acreate)()
    async_to_sync(store.adelete)(other.session_key)
    assert [async_to_sync(store.aexists)(key) for key in (before, store.session_key)] == [False, True]
    assert async_to_sync(SessionStore(store.session_key).aget)("word") == "x"
    assert BrowserSession.objects.get().session_key == row_key(store.session_key)
    async_to_sync(store.aflush)()
    assert not BrowserSession.objects.exists()


def test_a_sign_in_deletes_what_is_over_of_its_user_and_some_of_the_rest(developer, stranger, monkeypatch):
    for persona in (developer, developer, stranger, stranger):
        sign_in(persona)
    BrowserSession.objects.update(expire_date=database_now() - timedelta(minutes=1))
    monkeypatch.setattr("accounts.session_engine.DROPPED_AT_ONCE", 1)
    sign_in(developer)
    assert BrowserSession.objects.filter(expire_date__lt=database_now()).count() == 2
    monkeypatch.undo()
    sign_in(developer)
    assert not BrowserSession.objects.filter(expire_date__lt=database_now()).exists()
    assert BrowserSession.objects.count() == 2
