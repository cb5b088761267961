"""The pages of one key: overview, versions, activity, settings."""

import html
import re
from datetime import timedelta
from functools import partial
from html import unescape

import pytest

from audit.log.events import Event, Outcome
from audit.sequencing.catching_up import catch_up
from kernel.clock import database_now
from keys.editing import services as editing
from keys.models import Key
from keys.pages import services as pages
from keys.reading import services as reading
from keys.rotation.services import rotating
from keys.states import services as states
from tests.audit.sequencing.log import altered
from tests.browsing import form_of, plain, signed_in, text
from tests.factories import GrantFactory, KeyFactory
from tests.log_entries import log_rows, record_alone

pytestmark = pytest.mark.django_db

PAGES = ("", "versions/", "access/", "activity/", "settings/")


@pytest.fixture
def disabled(admin, key):
    return states.disable_key(principal=admin.principal, key_id=key.id, reason="test")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_of_a_key_costs_at_most_twelve_queries(admin, rotated, use, connection_queries, page):
    for version in (1, 2):
        use(rotated, admin, version=version)
        use(rotated, admin, version=version, outcome="denied")
    states.disable_version(principal=admin.principal, key_id=rotated.id, version=1, reason="test")
    states.disable_key(principal=admin.principal, key_id=rotated.id, reason="test")
    browser = signed_in(admin)
    browser.get(f"/keys/{rotated.name}/{page}")  # once in a process, the MACs of shown names are checked
    with connection_queries() as statements:
        assert browser.get(f"/keys/{rotated.name}/{page}").status_code == 200
    # A test's transaction adds savepoints of its own.
    assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) <= 12


def test_the_overview_shows_when_the_key_was_used_and_by_whom(admin, developer, key, use):
    browser = signed_in(admin)
    assert "Never" in text(browser.get(f"/keys/{key.name}/"))
    KeyFactory(principal=developer.principal, name="known-by-name")
    use(key, developer, count=1204, ago=timedelta(hours=2))
    page = text(browser.get(f"/keys/{key.name}/"))
    assert "Operations of the last 24 hours" in page
    assert "(2 hours ago): encrypted by dora" in page
    assert "1\u202f204 operations: dora 1\u202f204" in page


def test_the_overview_links_to_the_owner_for_those_who_read_users(admin, developer, new_key):
    page = f"/keys/{new_key(principal=developer.principal).name}/"
    name, link = developer.user.username, f'<a href="/users/{developer.user.pk}/">'
    assert f"<dt>Owner</dt><dd>{link}{name}</a>" in text(signed_in(admin).get(page))
    assert f"<dt>Owner</dt><dd>{name}</dd>" in text(signed_in(developer).get(page))


def test_the_holder_of_a_grant_sees_sums_and_no_other_caller(admin, developer, stranger, new_key, use):
    key = new_key(principal=developer.principal)
    GrantFactory(key=key, to=stranger.principal)
    use(key, admin, count=7, ago=timedelta(hours=2))
    use(key, admin, outcome="denied")
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    owners, holders = signed_in(developer), signed_in(stranger)
    for tab, seen in (("", "7 operations"), ("settings/", "1 request was denied")):
        path = f"/keys/{key.name}/{tab}"
        assert "ada" in re.findall(r"\w+", plain(owners.get(path)))
        page = plain(holders.get(path))
        assert seen in page
        assert "ada" not in re.findall(r"\w+", page)
    for browser, callers in ((owners, ["ada"]), (holders, [])):
        assert [row.name for row in browser.get("/usage/").context["usage"].busiest.by_caller] == callers


def test_a_key_that_serves_no_one_shows_what_that_means_and_who_was_refused(admin, disabled, use):
    use(disabled, admin, count=3, outcome="denied", ago=timedelta(hours=1))
    use(disabled, admin, count=9, outcome="denied", ago=timedelta(hours=30))
    page = text(signed_in(admin).get(f"/keys/{disabled.name}/"))
    assert "cannot be used until it is enabled" in page
    assert "Only active keys can be rotated." in page
    assert "3 requests were denied</a> in the last 24 hours" in page
    assert "from ada" in page
    assert "Only active keys can be disabled." not in page  # it is disabled


def test_the_number_of_denied_requests_links_to_them_for_those_who_see_all_of_them(
    admin, developer, auditor, new_key
):
    key = new_key(principal=developer.principal)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    denied = Event(
        action="crypto.message.encrypted",
        object_type="key",
        object_id=str(key.id),
        outcome=Outcome.DENIED,
        code="key_not_active",
    )
    record_alone(denied, developer.principal.actor)
    entry, browser = log_rows().latest("id"), signed_in(auditor)
    notice = text(browser.get(f"/keys/{key.name}/settings/"))
    linked = browser.get(html.unescape(re.search(r'<a href="([^"]+)">1 request was denied</a>', notice)[1]))
    assert re.findall(r'id="entry-(\d+)"', text(linked)) == [str(entry.pk)]
    assert "1 request was denied in the last 24 hours" in text(signed_in(developer).get(f"/keys/{key.name}/"))


def test_an_active_key_needs_no_explanation(admin, key):
    assert "keys can be" not in text(signed_in(admin).get(f"/keys/{key.name}/"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (states.disable_key, "Disabled"),
        (states.revoke_key, "Revoked"),
        (partial(states.revoke_key, compromised=True), "Marked as compromised"),
    ],
)
def test_an_inactive_key_shows_who_stopped_it_when_and_why(admin, auditor, key, change, word):
    change(principal=admin.principal, key_id=key.id, reason="replaced by ledger-exports")
    for page in ("", "versions/", "settings/"):
        response = signed_in(auditor).get(f"/keys/{key.name}/{page}")
        notice, entry = plain(response), log_rows().get(object_id=str(key.id), meta__contains="ledger")
        assert f'<a href="/audit/{entry.pk}/">{word} <time' in text(response)
        assert re.search(rf"{word} [-\d]{{10}} \d\d:\d\dZ by ada: replaced by ledger-exports", notice)


def test_a_reader_of_own_entries_learns_when_but_not_by_whom_or_why(admin, developer, new_key):
    key = new_key(principal=developer.principal)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="quarterly")
    states.disable_version(principal=admin.principal, key_id=key.id, version=1, reason="a secret")
    states.disable_key(principal=admin.principal, key_id=key.id, reason="a secret")
    page = plain(signed_in(developer).get(f"/keys/{key.name}/versions/"))
    assert len(re.findall(r"Disabled [-\d]{10} \d\d:\d\dZ", page)) == 2
    assert "a secret" not in page
    assert "Z by ada" not in page
    assert not re.search(r"/audit/\d", text(signed_in(developer).get(f"/keys/{key.name}/versions/")))


def test_an_own_decision_is_shown_until_someone_else_decides(admin, allowed_stranger):
    me = allowed_stranger.principal
    key = KeyFactory(principal=me, name="mine")
    assert pages.state_decision(principal=me, key=key) is None
    key = states.disable_key(principal=me, key_id=key.id, reason="mine")
    catch_up()
    assert pages.state_decision(principal=me, key=key).reason == "mine"
    states.enable_key(principal=admin.principal, key_id=key.id, reason="test")
    key = states.disable_key(principal=admin.principal, key_id=key.id, reason="theirs")
    catch_up()
    found = pages.state_decision(principal=me, key=key)
    assert (found.by, found.reason, found.entry_id) == ("", "", None)
    assert found.at == log_rows().latest("id").timestamp


def test_an_altered_entry_is_no_reason(admin, disabled):
    entry = log_rows().get(action="keys.key.disabled")
    altered("UPDATE audit_logs SET actor_name = 'another' WHERE id = %s", entry.pk)
    page = plain(signed_in(admin).get(f"/keys/{disabled.name}/"))
    assert f"The log entry of this change was altered. See entry {entry.pk}." in page


def test_an_auditor_sees_the_state_and_no_operation(admin, auditor, disabled):
    page = text(signed_in(auditor).get(f"/keys/{disabled.name}/"))
    assert "until it is enabled again" in page
    assert "keys can be" not in page
    assert "Edit description" not in page


def test_the_page_says_that_the_key_is_compromised(admin, key):
    states.revoke_key(principal=admin.principal, key_id=key.id, reason="test", compromised=True)
    page = text(signed_in(admin).get(f"/keys/{key.name}/"))
    assert "An attacker may have this key" in page
    assert f"/keys/{key.name}/reencrypt-data" in page
    assert "Only active or disabled keys can be revoked." not in page


def test_an_expired_and_a_pending_key_show_since_and_until_when(admin, new_key, let_time_pass):
    expired = new_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(expired, expired=True)
    pending = new_key(activates_at=database_now() + timedelta(hours=1))
    browser = signed_in(admin)
    page = text(browser.get(f"/keys/{expired.name}/"))
    assert re.search(r"Expired <time[^>]*>[-\d]{10} \d\d:\d\dZ</time> \(.*?\).", page)
    assert "It becomes active on" in text(browser.get(f"/keys/{pending.name}/"))


def test_versions_show_who_made_them_why_and_how_much_each_was_used(admin, operator, key, use):
    rotating.rotate_key(principal=operator.principal, key_id=key.id, reason="quarterly")
    use(key, admin, version=1, count=212)
    use(key, admin, version=1, count=5, ago=timedelta(days=40))
    rows = re.findall(r"<tr>.*?</tr>", text(signed_in(admin).get(f"/keys/{key.name}/versions/")), re.DOTALL)
    assert all(word in rows[1] for word in ("Version 2", "Primary", "otto", "quarterly", ">0<"))
    assert all(word in rows[2] for word in ("Version 1", "Earlier", "ada", "key created", ">212<"))


def test_many_versions_are_loaded_by_and_by(admin, key, monkeypatch):
    monkeypatch.setattr("keys.pages.views.detail.LIMIT", 2)
    for _ in range(3):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    browser = signed_in(admin)
    first = text(browser.get(f"/keys/{key.name}/versions/"))
    assert re.findall(r'<th scope="row" class="nowrap">Version (\d)', first) == ["4", "3"]
    more = {"HX-Request": "true", "HX-Target": "more-versions"}
    second = text(browser.get(f"/keys/{key.name}/versions/?before=3", headers=more))
    assert re.findall(r'<th scope="row" class="nowrap">Version (\d)', second) == ["2", "1"]
    assert "<table" not in second
    assert "Load 50 more" not in second
    assert re.findall(r"Version (\d)<", text(browser.get(f"/keys/{key.name}/versions/?before=²")))[0] == "4"


def test_a_version_is_disabled_and_enabled_from_its_page(operator, rotated):
    browser = signed_in(operator)
    path = f"/keys/{rotated.name}/versions/1/"
    assert "cannot be decrypted or verified until" in text(browser.get(path + "disable"))
    assert browser.post(path + "disable", {"reason": ""}).status_code == 422
    assert browser.post(path + "disable", {"reason": "old"})["Location"] == f"/keys/{rotated.name}/versions/"
    assert rotated.versions.get(version=1).state == "disabled"
    assert "Version 1 is already disabled." in text(browser.get(path + "disable"))
    refused = browser.post(path + "disable", {"reason": "again"})
    assert refused.status_code == 422
    assert "already disabled" in text(refused)
    assert browser.post(path + "enable", {"reason": "needed"}).status_code == 303
    assert rotated.versions.get(version=1).state == "enabled"


def test_the_primary_version_shows_why_it_cannot_be_disabled(admin, key):
    page = text(signed_in(admin).get(f"/keys/{key.name}/versions/1/disable"))
    assert "You cannot disable the primary version" in page
    assert 'name="reason"' not in page


@pytest.mark.parametrize("number", [0, 9, 2**70])
def test_a_version_that_does_not_exist_has_no_page(admin, key, number):
    assert signed_in(admin).get(f"/keys/{key.name}/versions/{number}/disable").status_code == 404


def test_the_activity_is_the_log_of_this_key_page_by_page(admin, key, new_key, monkeypatch):
    monkeypatch.setattr("audit.views.events.LIMIT", 2)
    new_key()
    for number in range(3):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason=f"{number}")
    browser = signed_in(admin)
    first = text(browser.get(f"/keys/{key.name}/activity/"))
    assert first.count(">Rotate key<") == 2
    older = re.search(rf'href="(/keys/{key.name}/activity/\?before=\d+)"', first).group(1)
    second = text(browser.get(older))
    assert (second.count(">Rotate key<"), second.count(">Create key<")) == (1, 1)
    assert "Back to the latest" in second
    assert "before=" not in second


def test_the_activity_has_the_filters_and_the_export_of_the_log(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a test")
    address = f"/keys/{key.name}/activity/"
    browser = signed_in(admin)
    page = text(browser.get(f"{address}?search=action:keys.key.rotated&outcome=ok"))
    assert (page.count("— allowed<"), page.count(">Create key<")) == (1, 0)
    assert f'href="{address}?action=keys.key.rotated"' in page  # the chip removes the result
    assert f"/audit/exports/new?action=keys.key.rotated&amp;object={key.name}&amp;outcome=ok" in page
    assert "Object:" not in page
    shown = browser.get(f"{address}?more=1", headers={"HX-Request": "true", "HX-Target": "more-filters"})
    assert "id_actor" in text(shown)
    assert "id_object" not in text(shown)
    assert "This page shows one key only." in text(browser.get(f"{address}?search=object:another"))


def test_exporting_and_saving_lead_back_to_the_activity(admin, key):
    browser, address = signed_in(admin), f"/keys/{key.name}/activity/?outcome=ok"
    for page in ("/audit/exports/new", "/audit/saved/new"):
        link = re.search(rf'href="({page}[^"]+)"', text(browser.get(address)))[1]
        asked = text(browser.get(unescape(link)))
        assert f'href="{address}">Back to the events' in asked
        form = re.search(rf'action="({page}[^"]+)"', asked)[1]
        refused = text(browser.post(unescape(form), {}))
        assert f'href="{address}">Back to the events' in refused


def test_the_page_says_that_a_user_sees_only_their_own_activity(developer, new_key):
    key = new_key(principal=developer.principal)
    assert "only your own activity" in text(signed_in(developer).get(f"/keys/{key.name}/activity/"))


def test_settings_keep_what_was_not_touched(admin, new_key):
    key = new_key(description="two\nlines", tags=["a"], rotation_period_days=30)
    browser, path = signed_in(admin), f"/keys/{key.name}/settings/"
    shown = form_of(browser.get(path))
    assert browser.post(path, shown).status_code == 303
    assert Key.objects.get(pk=key.pk).row_seq == key.row_seq
    assert browser.post(path, shown | {"tags": ["a", "b, c"]}).status_code == 303
    row = Key.objects.get(pk=key.pk)
    assert (row.description, row.tags, row.rotation_period_days) == ("two\nlines", ["a", "b", "c"], 30)


@pytest.mark.parametrize("page", ["settings/", "notes"])
def test_edits_of_different_fields_in_two_tabs_are_both_saved(admin, new_key, page):
    key = new_key(description="old", tags=["a"])
    browser, path = signed_in(admin), f"/keys/{key.name}/{page}"
    shown = form_of(browser.get(path))
    assert browser.post(path, shown | {"description": "first"}).status_code == 303
    assert browser.post(path, shown | {"tags": ["b"]}).status_code == 303
    row = Key.objects.get(pk=key.pk)
    assert (row.description, row.tags) == ("first", ["b"])


@pytest.mark.parametrize("page", ["settings/", "notes"])
def test_the_second_edit_of_a_field_shows_both_values(admin, new_key, page):
    key = new_key(description="old", tags=["a", "with, comma"])
    browser, path = signed_in(admin), f"/keys/{key.name}/{page}"
    sent = form_of(browser.get(path)) | {"description": "mine", "tags": ["b"]}
    editing.update_key(
        principal=admin.principal, key_id=key.id, changes={"description": "theirs", "tags": ["c, d"]}
    )
    refused = browser.post(path, sent)
    assert refused.status_code == 422
    assert "Some fields have changed since you opened this page. Nothing was saved." in text(refused)
    at_fields = re.split('<label[^>]* for="id_(?:description|tags)"', text(refused))[1:]
    for shown, values in zip(at_fields, (("theirs", "mine"), ("c, d", "b")), strict=True):
        assert re.findall(r'dir="auto">(.*?)</dd>', shown) == list(values)
        assert shown.count("Save to replace the saved value with yours.") == 1
    row = Key.objects.get(pk=key.pk)
    assert (row.description, row.tags) == ("theirs", ["c, d"])
    again = form_of(refused)
    assert (again["description"], again["tags"], again["initial-tags"]) == (["mine"], ["b", ""], ["c, d"])
    assert browser.post(path, again).status_code == 303
    row = Key.objects.get(pk=key.pk)
    assert (row.description, row.tags) == ("mine", ["b"])


def test_tags_are_chosen_among_those_of_visible_keys(admin, developer, new_key):
    new_key(tags=["secret"])
    mine = new_key(principal=developer.principal, tags=["eu"])
    new_key(principal=developer.principal, tags=["pci", "eu"])
    assert reading.frequent_tags(principal=developer.principal) == ["eu", "pci"]
    page = text(signed_in(admin).get(f"/keys/{mine.name}/notes"))
    assert 'value="eu" checked>eu' in page
    assert 'value="secret">secret' in page


def test_a_tab_has_its_name_in_the_title(admin, key):
    browser = signed_in(admin)
    titles = [
        re.search("<title>(.*?) · CipherCanary", text(browser.get(f"/keys/{key.name}/{page}"))).group(1)
        for page in ("", "versions/", "try/", "settings/")
    ]
    assert titles == [f"{key.name}{tab} · Keys" for tab in ("", " · Versions", " · Try it", " · Settings")]


def test_an_older_description_with_invisible_characters_is_shown_safely(admin, key):
    Key.objects.filter(pk=key.pk).update(description="invoice\u202efdp.exe")
    page = text(signed_in(admin).get(f"/keys/{key.name}/"))
    assert "invoice[U+202E]fdp.exe" in page
    assert "\u202e" not in page


def test_the_page_refuses_an_invisible_character_at_its_field(admin, key):
    browser, path = signed_in(admin), f"/keys/{key.name}/notes"
    refused = browser.post(path, form_of(browser.get(path)) | {"tags": ["ok, pay\u200broll"]})
    assert refused.status_code == 422
    assert "Tags: Tag 2: Remove the character U+200B (ZERO WIDTH SPACE) at position 4." in text(refused)


@pytest.mark.parametrize(
    ("fate", "word", "said"),
    [
        ("active", "Manual", ", every 30 days"),
        ("disabled", "Paused", ""),
        ("pending", "After activation", ""),
        ("revoked", "None", ""),
    ],
)
def test_only_an_active_key_shows_when_it_rotates_next(admin, new_key, fate, word, said):
    ahead = database_now() + timedelta(days=1)
    key = new_key(rotation_period_days=30, activates_at=ahead if fate == "pending" else None)
    if fate == "disabled":
        states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    if fate == "revoked":
        states.revoke_key(principal=admin.principal, key_id=key.id, reason="test")
    browser = signed_in(admin)
    shown = re.search(
        "<dt>Next rotation</dt><dd>(.*?)</dd>", text(browser.get(f"/keys/{key.name}/")), re.DOTALL
    )
    listed = re.search('<td data-label="Next rotation">(.*?)</td>', text(browser.get("/keys/")), re.DOTALL)
    for cell in (shown.group(1), listed.group(1)):
        assert (f"{key.next_rotation_at:%Y-%m-%d}" in cell) is (fate == "active")
        assert (word in cell) is (fate != "active")
    assert said in shown.group(1)


def test_description_and_tags_are_edited_from_the_overview(admin, operator, key):
    browser = signed_in(admin)
    sent = form_of(browser.get(f"/keys/{key.name}/notes")) | {"description": "for the tills", "tags": "pci"}
    assert browser.post(f"/keys/{key.name}/notes", sent)["Location"] == f"/keys/{key.name}/"
    page = text(browser.get(f"/keys/{key.name}/"))
    assert "for the tills" in page
    assert 'href="/keys/?tag=pci"' in page
    assert signed_in(operator).get(f"/keys/{key.name}/notes").status_code == 403


def test_a_user_without_permission_reads_the_settings(auditor, new_key):
    key = new_key(rotation_period_days=30, description="for the tills")
    page = text(signed_in(auditor).get(f"/keys/{key.name}/settings/"))
    assert "Every 30 days" in page
    assert 'name="description"' not in page
    assert "Danger zone" not in page


def test_a_tag_is_a_link_that_survives_its_own_characters(admin, new_key):
    key = new_key(tags=["a&b=c/d"])
    page = text(signed_in(admin).get(f"/keys/{key.name}/"))
    assert 'href="/keys/?tag=a%26b%3Dc%2Fd"' in page
