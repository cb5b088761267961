"""Read pages without a browser: as text, and in parts as htmx requests them."""

import re
from html import unescape

from django.db import transaction

from audit.log.events import Event
from kernel.templatetags.pages import grouped
from tests.log_entries import record


def text_of(response):
    """The visible text of the page, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def spelled(number):
    """A number as ``text_of`` shows it: with spaces between groups of three digits."""
    return " ".join(grouped(number).split())


def part(browser, path, target, **data):
    """The response to an htmx request for the element ``target``."""
    return browser.get(path, data, headers={"HX-Request": "true", "HX-Target": target})


def record_event(actor, action="test.thing.done", **values):
    with transaction.atomic():
        return record(Event(action=action, **values), actor)


def ids(response):
    """The entries of a list, in its order."""
    return [int(number) for number in re.findall(r'id="entry-(\d+)"', response.content.decode())]


def links(response):
    return [unescape(url) for url in re.findall(r'href="([^"]*)"', response.content.decode())]
