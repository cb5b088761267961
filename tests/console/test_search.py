"""The search: each role finds the objects of its lists and the pages that it may open."""

import pytest

from console.search.pages import PAGES as LISTED
from console.search.services import LIMIT, search_console
from keys.pages.views.bulk import BULK_ACTS
from tests.browsing import SWEPT_ROLES, plain, signed_in, text
from tests.console.conftest import HTMX
from tests.factories import KeyFactory, PolicyFactory, ServiceAccountFactory, TokenFactory
from tests.pages import PAGES, STRANGERS, page_routes

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = HTMX | {"HX_Target": "search-hits"}
# Pages that a title does not describe: redirects, steps of a flow, files, and actions on selected keys.
UNLISTED = {"reauth", "first-key", "mfa-setup", "mfa-codes", "mfa-remove", "passkey-new", "usage-file"}
UNLISTED |= {act.url_name for act in BULK_ACTS} | {"search", "rewrap-new", "verification-new"}


def found(persona, words):
    return {
        group.label: [hit.title for hit in group.hits]
        for group in search_console(principal=persona.principal, text=words)
    }


@pytest.fixture
def tokens(admin, developer):
    """One token each of the administrator, the developer and a service account."""
    account = ServiceAccountFactory(name="billing-app")
    owners = {"admin": admin, "developer": developer}
    made = {
        name: TokenFactory(principal=each.principal, name="billing").token for name, each in owners.items()
    }
    made["account"] = TokenFactory(principal=admin.principal, name="billing", account_id=account.id).token
    return made


@pytest.mark.parametrize("role", ["admin", "auditor", "operator", "developer"])
def test_a_role_finds_what_its_lists_show(role, request, admin, developer, tokens):
    persona = request.getfixturevalue(role)
    KeyFactory(principal=developer.principal, name="billing-own", tags=["billing-eu"])
    KeyFactory(principal=developer.principal, name="a-key", description="for billing")
    KeyFactory(principal=admin.principal, name="billing-other", tags=["billing-us", "prod"])
    PolicyFactory(name="billing-policy")
    type(developer.user).objects.filter(pk=developer.user.pk).update(email="billing@example.org")
    expected = {
        "Keys": ["billing-other", "billing-own", "a-key"],  # first those with the name
        "Tags": ["billing-eu", "billing-us"],
        "Policies": ["billing-policy"],
        "Users": [developer.user.username],
        "Service accounts": ["billing-app"],
        "Tokens": ["billing"] * {"admin": 3, "developer": 1}.get(role, 0),
    }
    if role == "developer":
        expected |= {"Keys": ["billing-own", "a-key"], "Tags": ["billing-eu"]}
    if role in {"operator", "developer"}:
        expected |= {"Users": [], "Service accounts": []}
    assert found(persona, "Billing") == {label: hits for label, hits in expected.items() if hits}


def test_a_token_is_found_by_the_beginning_of_its_id_and_leads_to_its_list(admin, developer, tokens):
    for owner, token in tokens.items():
        beginning = str(token.id)[: len("01234567-89ab-c")]
        [group] = search_console(principal=admin.principal, text=beginning.upper())
        [hit] = group.hits
        assert (group.label, hit.title) == ("Tokens", "billing")
        path, _, place = hit.url.partition("#")
        response = signed_in(admin).get(path)
        assert f'id="{place}"' in text(response), owner
    assert found(developer, str(tokens["admin"].id)) == {"Requests": [str(tokens["admin"].id)]}
    assert "Tokens" not in found(admin, str(tokens["admin"].id)[:3])


def test_a_request_id_leads_to_its_entries(developer):
    request_id = developer.api.post("/api/v1/keys", {"name": "Not a name"}).headers["X-Request-ID"]
    [group] = search_console(principal=developer.principal, text=request_id)
    assert plain(signed_in(developer).get(group.hits[0].url)).count("Create key")


@pytest.mark.parametrize("role", SWEPT_ROLES)
def test_a_role_finds_the_pages_that_it_may_open_and_no_other(role, request):
    persona = request.getfixturevalue(role)
    shown = {page.name for page in LISTED if page.is_for(persona.principal)}
    assert shown == {page.name for page in LISTED if role in PAGES[page.name].get}
    browser = signed_in(persona)
    for page in LISTED:
        if page.name in shown:
            assert page.matches(page.title)
            assert page.matches(page.words)
            assert browser.get(page.url).status_code in {200, 302}, page.name


def test_every_page_without_an_object_is_listed():
    routes = {route.name for route in page_routes() if "{" not in route.path}
    pages = {name for name in routes if PAGES[name].get and PAGES[name].get != STRANGERS}
    assert {page.name for page in LISTED} == pages - UNLISTED


def test_a_group_has_few_hits_and_a_link_to_its_list(admin):
    for number in range(LIMIT + 1):
        KeyFactory(principal=admin.principal, name=f"many-{number}", tags=[f"many & {number}"])
    browser = signed_in(admin)
    response = browser.get("/search/", {"q": "many"})
    assert text(response).count("/keys/many-") == LIMIT
    assert "10+ results for “many”" in plain(response)
    more = response.context["groups"][0].more[1]
    assert text(browser.get(more)).count('href="/keys/many-') == LIMIT + 1
    tag = response.context["groups"][1].hits[0].url
    assert text(browser.get(tag)).count('href="/keys/many-') == 1


def test_the_name_of_an_object_leads_to_it_but_not_while_typing(admin):
    KeyFactory(principal=admin.principal, name="ledger")
    browser = signed_in(admin)
    assert browser.get("/search/", {"q": "LEDGER"})["Location"] == "/keys/ledger/"
    live = browser.get("/search/", {"q": "ledger"}, headers=LIVE)
    assert "<main" not in text(live)
    assert 'href="/keys/ledger/"' in text(live)
    assert '<p id="search-count" hx-swap-oob="innerHTML">1 result for “ledger”</p>' in text(live)
    KeyFactory(principal=admin.principal, name="ledger-2")
    assert browser.get("/search/", {"q": "ledger"}).status_code == 200


@pytest.mark.parametrize("words", ["a" * 201, "nul\0", ""])
def test_a_search_without_a_valid_text_finds_nothing(admin, words):
    response = signed_in(admin).get("/search/", {"q": words})
    assert response.context["groups"] == []
    assert ("Enter at most 200 characters." in plain(response)) == bool(words)


@pytest.mark.parametrize("words", ["%", "_", "\\", "'", '"', "¨", "\u200b", "<b>", "-", "ffff", "🔑"])
def test_any_text_can_be_searched_for(developer, words):
    KeyFactory(principal=developer.principal, name="any")
    assert found(developer, words) == {}
    assert "<b>" not in text(signed_in(developer).get("/search/", {"q": words}))
