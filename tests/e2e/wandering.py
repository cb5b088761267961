"""Going through the console from link to link, so that a page is visited because it can be reached."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Page

from tests.e2e.browser import Person
from tests.pages import PAGES

# Where nobody is led by a link: on the way of a log-in, or of an act that asks for a recent one.
UNLINKED = ("/reauth/",)
# Opened by a form, or in the middle of one: their own tests look at them.
IN_BETWEEN = frozenset({"login", "login-code"})
LINKS = "() => [...document.querySelectorAll('a[href]:not([download])')].map(a => a.href)"


def name_of(url: str) -> str:
    """The name of the page's route, "" where it is no page of the console."""
    try:
        name = resolve(urlsplit(url).path).view_name
    except Resolver404:
        return ""
    return name if name in PAGES else ""


def reachable(role: str) -> set[str]:
    """Every page that the role may look at."""
    return {name for name, page in PAGES.items() if role in page.get} - IN_BETWEEN


def wander(
    person: Person, start: Sequence[str], *, each: int, follow: Callable[[str], bool]
) -> Iterator[str]:
    """Open page after page from the ``start`` on, and yield the name of each while it is open.

    At most ``each`` pages of one route are opened, those of ``start`` aside. ``follow`` says of a path whether it may be
    opened at all.
    """
    waiting, seen, opened = [*start, *UNLINKED], set(start) | set(UNLINKED), Counter[str]()
    while waiting:
        path = waiting.pop(0)
        name = name_of(path)
        if path not in start and opened[name] >= each:
            continue
        opened[name] += 1
        page = person.open(path)
        waiting += [link for link in links_of(page, person.base) if link not in seen and follow(link)]
        seen.update(waiting)
        yield name_of(page.url)


def links_of(page: Page, base: str) -> list[str]:
    """The paths that the page links to, of pages of the console, each once, without what narrows a list down."""
    paths = (urlsplit(url).path for url in page.evaluate(LINKS) if url.startswith(base))
    return list(dict.fromkeys(path for path in paths if name_of(path)))
