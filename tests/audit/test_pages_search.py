"""Words of a search that are filters: their chips, and what an empty list offers."""

import re
from html import unescape

import pytest

from accounts.actions import SESSION_OPENED, SIGNING_KEY_PUBLISHED
from audit.log.events import Actor, Outcome
from audit.services import searching
from tests.audit.pages import ids, links, record_event, text_of
from tests.browsing import signed_in
from tests.factories import KeyFactory

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

SYSTEM = Actor.system("rotate_keys", "command")
ROTATED = "keys.key.rotated"


@pytest.fixture
def browser(auditor):
    return signed_in(auditor)


def chips_of(response):
    chips = response.content.decode().split('<ul class="chips"')[1].split("</ul>")[0].split("</li>")
    texts = [unescape(re.sub("<[^>]+>", "", each)) for each in chips]
    return [text.partition("Remove filter ")[2].strip() for text in texts if "Remove filter" in text]


def test_sign_in_finds_the_action_and_not_other_words_with_its_letters(browser):
    opened, published = (record_event(SYSTEM, each).id for each in (SESSION_OPENED, SIGNING_KEY_PUBLISHED))
    for typed in ("sign+in", "sign", "command+sign+in+today"):
        found = ids(browser.get(f"/audit/?search={typed}"))
        assert (opened in found, published in found) == (True, False)
    both = ids(browser.get("/audit/?search=%22sign%22"))
    assert published in both


def test_words_that_are_filters_are_chips_and_can_be_searched_as_text(browser, admin):
    about = {"object_type": "key", "object_id": str(KeyFactory(name="payout-iban").id)}
    denied = record_event(SYSTEM, ROTATED, outcome=Outcome.DENIED, **about).id
    allowed = record_event(SYSTEM, ROTATED, **about).id
    response = browser.get("/audit/?search=payout+denied+rotate")
    assert ids(response) == [denied]
    assert chips_of(response) == ["Search: payout", "Action: Rotate …", "Result: Denied"]

    removed = browser.get("/audit/?search=payout&action=rotate")
    assert removed.request["PATH_INFO"] + "?" + removed.request["QUERY_STRING"] in links(response)
    assert ids(removed) == [allowed, denied]
    assert chips_of(removed) == ["Search: payout", "Action: Rotate …"]

    as_text = "/audit/?search=payout+%22denied%22&action=rotate"
    assert as_text in links(response)
    assert chips_of(browser.get(as_text)) == ['Search: payout "denied"', "Action: Rotate …"]
    assert "/audit/?action=rotate&outcome=denied&object=payout-iban" in links(response)


def test_an_empty_list_offers_to_leave_out_each_filter(browser):
    record_event(SYSTEM, ROTATED)
    response = browser.get("/audit/?search=rotate+key+failed")
    assert "No events match all of these filters." in text_of(response)
    for text in ("Without Result: Failed", "Without Action: Rotate key", "Denied instead"):
        assert text in text_of(response)
    for offered in (f"action={ROTATED}", "outcome=error", f"action={ROTATED}&outcome=denied"):
        assert f"/audit/?{offered}" in links(response)


def test_an_empty_part_of_the_log_is_not_an_empty_result(browser, monkeypatch):
    record_event(SYSTEM, ROTATED)
    record_event(SYSTEM, ROTATED)
    monkeypatch.setattr(searching, "SEARCH_DEPTH", 1)
    assert "No events in this part of the log match." in text_of(browser.get("/audit/?search=no-such-word"))


def test_a_word_that_begins_too_many_names_is_reported(browser, admin, monkeypatch):
    for name in ("payout-iban", "payout-card"):
        KeyFactory(name=name)
    hint = "names begin with a word of this search"
    assert hint not in text_of(browser.get("/audit/?search=payout"))
    monkeypatch.setattr("audit.log.object_names.MOST_BEGUN", 1)
    assert hint in text_of(browser.get("/audit/?search=payout"))
