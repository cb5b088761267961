"""Follow the links: none is refused or broken or changes anything, and no action needs JavaScript."""

import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import Resolver404, resolve

from keys.rotation.services.rotating import rotate_key
from keys.states.services import disable_key
from tests.architecture.sources import ROOT
from tests.browsing import SWEPT_ROLES, signed_in
from tests.factories import KeyFactory, UsageFactory
from tests.pages import PAGES

TEMPLATES = sorted(path for path in ROOT.glob("templates/**/*.html") if "admin" not in path.parts)
LAYOUTS = {"full.html", "bare.html"}
HTMX = {"hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete"}
OF_A_SHAPE = 3
MOST_STATEMENTS = 12
TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT")  # they cost no noticeable time
# Tables that a page may write: the record of the read, and the session's renewal.
MAY_GROW = {"audit_logs", "audit_trail", "audit_bundles", "browser_sessions"}


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
        in_form = self.open_forms and (tag in {"input", "select"} or has.get("type") == "submit")
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
        key = KeyFactory(principal=developer.principal, name=name, tags=["pci", "a b&c"])
        rotate_key(principal=operator.principal, key_id=key.id, reason="<b>quarterly</b> & more")
    disable_key(principal=operator.principal, key_id=key.id, reason='"quoted" <img src=x onerror=alert(1)>')
    UsageFactory(key=key, by=developer, count=3)


def shape_of(path):
    """The route of a page and the names of its parameters: pages of one shape have the same links and controls."""
    parts = urlsplit(path)
    return resolve(parts.path).view_name, tuple(sorted(parse_qs(parts.query)))


def crawl(browser, start):
    """Open the pages that are reachable by links, at most ``OF_A_SHAPE`` of each shape, and yield each response."""
    waiting, seen, opened = [start], {start}, Counter()
    while waiting:
        path = waiting.pop(0)
        if opened[shape_of(path)] == OF_A_SHAPE:
            continue
        opened[shape_of(path)] += 1
        response = browser.get(path)
        document = Document(response.content.decode() if is_page(response) else "")
        yield path, response, document
        found = dict.fromkeys(path_of(path, link) for link in document.links)
        waiting += [target for target in found if target not in {"", *seen}]
        seen.update(found)


def is_page(response):
    return response["Content-Type"].startswith("text/html")


def cost(browser, path):
    """The number of statements of a repeated request, when the process has filled its caches."""
    with CaptureQueriesContext(connection) as statements:
        browser.get(path)
    return sum(not each["sql"].startswith(TRANSACTIONS) for each in statements)


def rows():
    """Every row of every table, except those to which a read may add."""
    return {
        model._meta.db_table: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.db_table not in MAY_GROW
    }


@pytest.mark.sweep
@pytest.mark.parametrize("role", SWEPT_ROLES)
def test_every_linked_page_is_sound(role, request, world):
    """22, 24, 27, 28 and 37: the page opens, and opening it twice changes nothing; every element with htmx
    attributes is also a link or a form, or only refreshes the page; user-supplied markup is text; the
    statements are few.
    """
    browser = signed_in(request.getfixturevalue(role))
    browser.get("/home/")
    before, visited, faults, has_markup = rows(), set(), [], False
    for path, response, document in crawl(browser, "/home/"):
        visited.add(path)
        content = response.content.decode() if is_page(response) else ""
        has_markup = has_markup or "&lt;img src=x onerror=alert(1)&gt;" in content
        statements = cost(browser, path)
        is_sound = {
            response.status_code: response.status_code < 400,
            f"{statements} statements": statements <= MOST_STATEMENTS,
            "needs htmx": document.stuck == [],
            "markup of a user": "<img src=x" not in content and "<b>quarterly</b>" not in content,
        }
        faults += [(path, what) for what, is_so in is_sound.items() if not is_so]
    assert faults == []
    assert rows() == before
    assert has_markup or role != "admin"
    of_keys = set() if role == "user_manager" else {"/keys/payments-db/versions/"}
    assert {"/home/", "/keys/", "/audit/", "/account/"} | of_keys <= visited


def test_a_partial_template_contains_no_noscript():
    """22: in a partial page it would be shown as content."""
    partial = [path for path in TEMPLATES if path.name not in LAYOUTS]
    assert [path.name for path in partial if "<noscript" in path.read_text()] == []
