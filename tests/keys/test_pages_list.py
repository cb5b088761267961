"""The list of keys and the page that creates a key, as a browser receives them."""

import re
from datetime import timedelta

import pytest

from audit.sequencing.catching_up import catch_up
from kernel.clock import database_now
from kernel.crypto.algorithms import KEY_ALGORITHMS
from keys.creation.forms import KeyForm
from keys.explanations import algorithm_choices
from keys.models import Key
from keys.models.selection import Finding
from keys.reading import services as reading
from keys.states import services as states
from tests.browsing import signed_in, text

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
FROM_THE_DIALOG = {
    "HX-Request": "true",
    "HX-Target": "dialog-body",
    "HX-Current-URL": "http://testserver/keys/?search=x",
}


def names(response):
    return re.findall(
        r'<th scope="row">(?:<input [^>]+> )?<a class="mono" href="/keys/([a-z0-9-]+)/"',
        response.content.decode(),
    )


@pytest.fixture
def age():
    """Move the creation of a key, and its next rotation, into the past."""

    def shift(key, days):
        row = Key.objects.get(pk=key.pk)
        row.created_at -= days * DAY
        if row.next_rotation_at:
            row.next_rotation_at -= days * DAY
        row.save_with_mac()

    return shift


def test_keys_to_rotate_are_found(admin, new_key, age):
    overdue, _later, retired = (
        new_key(rotation_period_days=7),
        new_key(rotation_period_days=30),
        new_key(rotation_period_days=7),
    )
    for key in (overdue, retired):
        age(key, 8)
    states.disable_key(principal=admin.principal, key_id=retired.id, reason="test")
    assert found(admin, Finding.OVERDUE) == [overdue.name]
    page = text(signed_in(admin).get("/keys/"))
    assert re.findall(r"Overdue since <time[^>]*>([^<]*)", page) == [
        f"{overdue.next_rotation_at - 8 * DAY:%Y-%m-%d}"
    ]


def test_each_page_of_a_key_calls_a_past_rotation_overdue(auditor, new_key, age):
    key = new_key(rotation_period_days=7)
    age(key, 8)
    browser = signed_in(auditor)
    for page in ("", "versions/", "settings/"):
        shown = text(browser.get(f"/keys/{key.name}/{page}"))
        assert re.search("overdue since <time", shown, re.IGNORECASE), page
        assert "next on" not in shown


def test_keys_that_expire_within_thirty_days_are_found(admin, new_key):
    soon = new_key(expires_at=database_now() + 29 * DAY)
    new_key(expires_at=database_now() + 31 * DAY)
    new_key()
    assert found(admin, Finding.EXPIRING) == [soon.name]


def test_keys_that_no_one_has_used_for_ninety_days_are_found(admin, new_key, age, use):
    unused, used, refused, forgotten, _young = (new_key(name=f"key-{n}") for n in "abcde")
    for key in (unused, used, refused, forgotten):
        age(key, 100)
    use(used, admin, ago=80 * DAY)
    use(refused, admin, outcome="denied")
    use(forgotten, admin, ago=95 * DAY)
    assert found(admin, Finding.UNUSED) == [unused.name, refused.name, forgotten.name]


def found(person, finding):
    keys = reading.list_keys(principal=person.principal, only={"finding": finding, "ordering": "created_at"})
    return sorted(key.name for key in keys)


def test_saved_views_are_links_and_show_as_removable_filters(admin, new_key):
    new_key(name="resting")
    states.disable_key(principal=admin.principal, key_id=new_key(name="stopped").id, reason="test")
    response = signed_in(admin).get("/keys/?status=disabled&search=stop&ordering=-name")
    assert names(response) == ["stopped"]
    page = text(response)
    assert '<a href="/keys/?status=disabled" aria-current="true">Disabled</a>' in page
    removing = 'href="/keys/?search=stop&amp;ordering=-name"><span class="visually-hidden">Remove filter'
    assert removing + " </span><span>State: <strong>Disabled</strong></span>" in page
    assert '<a href="/keys/">Clear filters</a>' in page
    assert ">Clear filters</a>" not in text(signed_in(admin).get("/keys/?status=disabled"))
    assert 'aria-sort="descending"' in page


def test_the_states_of_the_filter_are_those_of_the_badges(admin, new_key):
    for name, compromised in (("leaked", True), ("retired", False)):
        key = new_key(name=name)
        states.revoke_key(principal=admin.principal, key_id=key.id, reason="test", compromised=compromised)
    browser = signed_in(admin)
    assert names(browser.get("/keys/?status=revoked")) == ["retired"]
    leaked = browser.get("/keys/?status=compromised")
    assert names(leaked) == ["leaked"]
    assert "<span>State: <strong>Compromised</strong></span>" in text(leaked)
    assert '<option value="compromised" selected>Compromised</option>' in text(leaked)


def test_an_unknown_filter_value_is_ignored_with_a_notice(admin, new_key):
    new_key(name="still-here")
    response = signed_in(admin).get(
        "/keys/?status=melted&algorithm=rot13&finding=x&ordering=colour&after=nonsense"
    )
    assert response.status_code == 200
    assert names(response) == ["still-here"]
    assert "Ignored filters with an unknown value: State, Algorithm, Needs attention, Order." in text(
        response
    )
    assert "aria-invalid" not in text(response)


def test_htmx_gets_the_results_alone_at_an_address_without_empty_filters(admin, new_key):
    new_key(name="payments")
    sent = {"search": "pay", "status": "", "algorithm": "", "tag": "", "finding": ""}
    response = signed_in(admin).get(
        "/keys/", sent, headers={"HX-Request": "true", "HX-Target": "key-results"}
    )
    assert response["HX-Push-Url"] == "/keys/?search=pay"
    assert "<html" not in text(response)
    assert 'id="id_search"' not in text(response)
    assert names(response) == ["payments"]


def test_pages_follow_each_other_by_key(admin, new_key):
    for number in range(52):
        new_key(name=f"key-{number:02}")
    browser = signed_in(admin)
    first = browser.get("/keys/")
    assert names(first) == [f"key-{number:02}" for number in range(50)]
    more = re.search(r'id="load-more" class="button" href="([^"]+)"', text(first)).group(1)
    new_key(name="key-00-new")  # an offset would now show key-49 twice
    second = browser.get("/keys/" + more)
    assert names(second) == ["key-50", "key-51"]
    assert 'href="?">Back to the first page' in text(second)
    rows = browser.get("/keys/" + more, headers={"HX-Request": "true", "HX-Target": "more-keys"})
    assert names(rows) == ["key-50", "key-51"]
    assert text(rows).count("data-focus") == 1
    assert "<table" not in text(rows)


def test_a_list_of_any_length_costs_the_same_number_of_queries(admin, new_key, connection_queries):
    browser = signed_in(admin)
    browser.get("/keys/")  # each process looks once for a gap in the record of uses
    counts = []
    for _ in range(2):
        new_key()
        new_key(tags=["a", "b"])
        catch_up()
        with connection_queries() as statements:
            browser.get("/keys/?status=active&finding=unused&search=key")
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/keys/", "key-results"),
        ("/keys/", "more-keys"),
        ("/keys/new", "name-note"),
        ("/keys/new", "key-summary"),
    ],
)
def test_only_the_whole_page_reads_the_tags(admin, key, connection_queries, path, part):
    browser, reads = signed_in(admin), []
    for headers in ({}, {"HX-Request": "true", "HX-Target": part}):
        with connection_queries() as statements:
            browser.get(path, headers=headers)
        found = [each["sql"].startswith('SELECT "encryption_keys"."tags"') for each in statements]
        reads.append(sum(found))
    assert reads == [1, 0]


def test_a_user_without_keys_reads_how_to_create_one(developer, auditor):
    page = text(signed_in(developer).get("/keys/"))
    assert "No keys yet" in page
    assert "Create your first key" in page
    assert "$CIPHERCANARY_TOKEN" in page
    assert "Create key" not in text(signed_in(auditor).get("/keys/"))


def test_a_list_links_and_suggests_tags_and_keeps_a_chosen_view(admin, new_key):
    new_key(tags=["a&b", "eu"])
    page = text(signed_in(admin).get("/keys/?finding=expiring"))
    assert '<input type="hidden" name="finding" value="expiring" id="id_finding">' in page
    assert '<option value="a&amp;b">' in page
    assert '<a class="tag" href="/keys/?tag=a%26b">a&amp;b</a>' in text(signed_in(admin).get("/keys/"))


def test_no_match_is_not_the_same_as_no_key(admin, key):
    assert "No keys match “zzz”" in text(signed_in(admin).get("/keys/?search=zzz"))


def test_a_key_made_over_the_list_becomes_its_first_row(admin):
    sent = {"name": "made-here", "algorithm": "aes-256"}
    response = signed_in(admin).post("/keys/new", sent, headers=FROM_THE_DIALOG)
    assert response.status_code == 200
    assert "cc:close" in response["HX-Trigger"]
    assert response["HX-Push-Url"] == "false"
    page = text(response)
    assert '<tbody hx-swap-oob="afterbegin:#key-rows"><tr>' in page.replace("\n", "")
    assert names(response) == ["made-here"]
    assert '<div hx-swap-oob="beforeend:#toasts">' in page


def test_a_key_made_elsewhere_leads_to_its_page(admin):
    browser = signed_in(admin)
    plain = browser.post("/keys/new", {"name": "plain-key", "algorithm": "aes-256"})
    assert (plain.status_code, plain["Location"]) == (303, "/keys/plain-key/")
    for number, url in enumerate(("http://testserver/home/", "http://[")):
        sent = {"name": f"other-key-{number}", "algorithm": "chacha20"}
        response = browser.post("/keys/new", sent, headers=FROM_THE_DIALOG | {"HX-Current-URL": url})
        assert f"/keys/other-key-{number}/" in response["HX-Location"]


def test_a_taken_name_keeps_what_was_typed_and_leads_to_the_field_and_the_key(admin, key):
    sent = {"name": key.name, "algorithm": "chacha20", "description": "mine", "tags": "a, b"}
    response = signed_in(admin).post("/keys/new", sent)
    page = text(response)
    assert response.status_code == 422
    assert f'<a href="#id_name">Name: A key named {key.name} already exists.</a>' in page
    assert f'<a href="/keys/{key.name}/">{key.name}</a>' in page
    assert f'value="{key.name}"' in page
    assert re.search(r'value="chacha20"[^>]*checked', page)
    assert "<details open>" in page


def test_anothers_key_of_that_name_is_not_shown(developer, key):
    page = text(signed_in(developer).post("/keys/new", {"name": key.name, "algorithm": "aes-256"}))
    assert "already" in page
    assert f"/keys/{key.name}/" not in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("free-name", "No key that you can see is named free-name."),
        ("No Good", "3 to 64"),
        ("", ""),
        ("x" * 65, "3 to 64"),
    ],
)
def test_a_name_is_checked_while_it_is_typed(admin, name, said):
    asked = {"HX-Request": "true", "HX-Target": "name-note"}
    note = text(signed_in(admin).get("/keys/new", {"name": name}, headers=asked))
    assert said in note if said else not note
    assert "<form" not in note


def test_a_name_is_compared_with_the_visible_keys(admin, developer, key):
    asked = {"HX-Request": "true", "HX-Target": "name-note"}
    note = text(signed_in(admin).get("/keys/new", {"name": key.name}, headers=asked))
    assert f"A key named {key.name} already exists." in note
    note = text(signed_in(developer).get("/keys/new", {"name": key.name}, headers=asked))
    assert f"No key that you can see is named {key.name}." in note


def test_the_summary_shows_what_the_key_will_be(admin):
    asked = {"HX-Request": "true", "HX-Target": "key-summary"}
    sent = {"name": "a-key", "algorithm": "chacha20", "rotation_period_days": "90"}
    said = text(signed_in(admin).get("/keys/new", sent, headers=asked))
    assert "chacha20 key" in said
    assert "rotates every 90 days, next on" in said
    assert "never be exported" in said


def test_every_algorithm_shows_what_it_is_for_and_one_is_recommended(admin):
    choices = {value: each for value, each in algorithm_choices().items() if each.algorithm.protects}
    assert {choice.algorithm for choice in choices.values()} == {
        kind for kind in KEY_ALGORITHMS if kind.protects
    }
    assert all(choice.use for choice in choices.values())
    assert [choice.name for choice in choices.values() if choice.is_recommended] == ["aes-256"]
    page = text(signed_in(admin).get("/keys/new"))
    assert all(f"{choice.use} {choice.facts}" in page for choice in choices.values())


def test_a_description_keeps_its_lines(admin):
    sent = {"name": "in-lines", "algorithm": "aes-256", "description": "  one\r\ntwo\r\n"}
    signed_in(admin).post("/keys/new", sent)
    assert Key.objects.get(name="in-lines").description == "  one\ntwo\n"


def test_further_options_are_open_if_one_of_them_is_used():
    assert not KeyForm({"name": "payments"}).uses_more_options
    assert KeyForm({"name": "payments", "exportable": "on"}).uses_more_options
