"""Drafts: what a user typed into a form that the server could not accept without a new sign-in.

A draft is the query string of the fields that the view names in ``draft_fields``. It passes through the sign-in pages
as a hidden input, and then waits in the new session for one view of its page, which fills its form with it. The
server never submits a draft: the user does, and sees the text before.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

DRAFT = "draft"  # the hidden input, and the entry of the session: the page's path, and the draft
LIMIT = 16 * 1024  # characters: several times the longest description


def read_draft(request: HttpRequest, names: Iterable[str]) -> str:
    """The submitted fields with these names; "" if there are none."""
    return _limited(urlencode([(name, request.POST[name]) for name in names if name in request.POST]))


def carried_draft(request: HttpRequest) -> str:
    """The draft in the hidden input of a sign-in page. Never read from the URL, which anyone can make up."""
    return _limited(request.POST.get(DRAFT, ""))


def keep_draft(request: HttpRequest, path: str, draft: str) -> None:
    if draft:
        request.session[DRAFT] = [path, draft]


def take_draft(request: HttpRequest, names: Iterable[str]) -> dict[str, str]:
    """The draft for this path, by field; it is forgotten. Empty if there is none."""
    path, draft = request.session.get(DRAFT, ("", ""))
    if path != request.get_full_path():
        return {}
    del request.session[DRAFT]
    typed = QueryDict(draft)
    return {name: typed[name] for name in names if name in typed}


def _limited(draft: str) -> str:
    return draft if len(draft) <= LIMIT else ""
