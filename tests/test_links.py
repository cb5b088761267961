"""Follow all links: none is refused or broken or changes anything, and no action needs JavaScript."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import Resolver404, resolve

from accounts.roles import ROLES
from audit.models import UsageRollup
from kernel.clock import database_now
from keys.services import create_key, disable_key, rotate_key
from tests.architecture.sources import ROOT
from tests.browsing import signed_in
from tests.pages import PAGES

pytestmark = pytest.mark.sweep

TEMPLATES = sorted(path for path in ROOT.glob("templates/**/*.html") if "admin" not in path.parts)
LAYOUTS = {"full.html", "bare.html"}
HTMX = {"hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete"}
MOST_PAGES = 400
MOST_STATEMENTS = 12
TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT")  # they cost no noticeable time
# Tables that a page may write: the record of the read, and the session's renewal.
MAY_GROW = {"audit_logs", "audit_trail", "audit_pending", "browser_sessions"}


class Document(HTMLParser):
    """The links of a page, and its elements that work only with htmx."""

    def __init__(self, text):
        super().__init__()
        self.links, self.stuck, self.open_forms = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        self.open_forms += tag == "form"
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if HTMX & set(has) and not self._works_without(tag, has):
            self.stuck.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.open_forms -= tag == "form"

    def _works_without(self, tag, has):
        refreshes = has.get("role") == "status" or re.search(r"\b(every|load)\b", has.get("hx-trigger", ""))
        in_form = self.open_forms and (tag == "input" or has.get("type") == "submit")
        return bool((tag == "a" and has.get("href")) or tag == "form" or in_form or refreshes)


def path_of(page, link):
    """The target of a link with its query, or "" if it is no page of the console."""
    target = urlsplit(urljoin(page, link))
    try:
        is_page = not target.netloc and resolve(target.path).view_name in PAGES
    except Resolver404:
        assert target.path.startswith(("/static/", "/docs")) or target.netloc, f"{page} leads to {link}"
        is_page = False
    return f"{target.path}?{target.query}" if is_page and target.query else target.path if is_page else ""


@pytest.fixture
def world(db, developer, operator):
    """Keys in several states, and a user who has used one."""
    for name in (
        "payments-db",
        "legacy-csv",
        "a-name-as-long-as-possible-" + 37 * "x",
    ):
        key = create_key(principal=developer.principal, name=name, algorithm="aes-256", tags=["pci", "a b&c"])
        rotate_key(principal=operator.principal, key_id=key.id, reason="<b>quarterly</b> & more")
    disable_key(principal=operator.principal, key_id=key.id, reason='"quoted" <img src=x onerror=alert(1)>')
    now = database_now()
    UsageRollup.objects.create(
        key_id=str(key.id),
        version=1,
        size=0,
        principal=str(developer.user.id),
        hour=now.replace(minute=0, second=0, microsecond=0),
        operation="crypto.message.encrypted",
        outcome="ok",
        count=3,
        last_at=now,
    )


def follow(browser, start):
    """``{path: answer}`` of every page that is reachable by links, each once."""
    waiting, answers = [start], {}
    while waiting and len(answers) < MOST_PAGES:
        path = waiting.pop(0)
        if path in answers:
            continue
        answers[path] = browser.get(path)
        if answers[path].status_code == 200 and answers[path]["Content-Type"].startswith("text/html"):
            found = Document(answers[path].content.decode()).links
            waiting += filter(None, (path_of(path, link) for link in found))
    return answers


def rows():
    """Every row of every table, except those to which a read may add."""
    return {
        model._meta.db_table: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.db_table not in MAY_GROW
    }


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_link_works_and_changes_nothing(role, request, world):
    """27 and 28: followed twice, every link shown to a role leads to a page that the role may see."""
    browser = signed_in(request.getfixturevalue(role))
    browser.get("/home/")
    before = rows()
    for _ in range(2):
        answers = follow(browser, "/home/")
        refused = {path: answer.status_code for path, answer in answers.items() if answer.status_code >= 400}
        assert refused == {}
    assert rows() == before
    assert {"/home/", "/keys/", "/keys/payments-db/versions/", "/audit/", "/account/"} <= set(answers)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_page_asks_the_database_often(role, request, world):
    """37: the cost of the second request, when the process has filled its caches."""
    browser = signed_in(request.getfixturevalue(role))
    costs = {}
    for path in follow(browser, "/home/"):
        with CaptureQueriesContext(connection) as statements:
            browser.get(path)
        costs[path] = sum(not each["sql"].startswith(TRANSACTIONS) for each in statements)
    assert {path: cost for path, cost in costs.items() if cost > MOST_STATEMENTS} == {}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_act_needs_a_script(role, request, world):
    """22: every element with htmx attributes is also a link or a form, or only refreshes the page."""
    answers = follow(signed_in(request.getfixturevalue(role)), "/home/")
    stuck = {
        path: Document(answer.content.decode()).stuck for path, answer in answers.items() if is_page(answer)
    }
    assert {path: found for path, found in stuck.items() if found} == {}


def is_page(answer):
    return answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_htmx_may_swap_in_holds_no_noscript(path):
    """22: in a partial page it would be shown as content."""
    assert path.name in LAYOUTS or "<noscript" not in path.read_text()


def test_what_people_have_typed_is_text_everywhere(world, admin):
    """24: no markup of a reason, tag or description reaches the page as markup."""
    answers = follow(signed_in(admin), "/home/")
    pages = [answer.content.decode() for answer in answers.values() if is_page(answer)]
    assert any("&lt;img src=x onerror=alert(1)&gt;" in page for page in pages)
    assert not any("<img src=x" in page or "<b>quarterly</b>" in page for page in pages)
