"""Drafts: the input of a form that the server could not accept without a new sign-in.

A draft is the query string of the fields that the view names in ``draft_fields``. It passes through the sign-in pages
as a hidden input, and then waits in the new session for one view of its page, which fills its form with it. The
server never submits a draft: the user does, and sees the text before.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

DRAFT = "draft"  # the hidden input, and the entry of the session: the page's path, and the draft
LIMIT = 32 * 1024  # characters: a key's settings of the maximum length, with the values that the page showed


def read_draft(request: HttpRequest, names: Iterable[str]) -> str:
    """The submitted fields with these names, and the values that the page showed in them; "" if there are none."""
    kept = [each for name in names for each in (name, f"initial-{name}")]
    return _limited(urlencode([(name, value) for name in kept for value in request.POST.getlist(name)]))


def carried_draft(request: HttpRequest) -> str:
    """The draft in the hidden input of a sign-in page. Never read from the URL, which anyone can make up."""
    return _limited(request.POST.get(DRAFT, ""))


def keep_draft(request: HttpRequest, path: str, draft: str) -> None:
    if draft:
        request.session[DRAFT] = [path, draft]


def take_draft(request: HttpRequest) -> QueryDict:
    """The draft for this path, which is then forgotten. Empty if there is none."""
    path, draft = request.session.get(DRAFT, ("", ""))
    if path != request.get_full_path():
        return QueryDict()
    del request.session[DRAFT]
    return QueryDict(draft)


def _limited(draft: str) -> str:
    return draft if len(draft) <= LIMIT else ""
