"""Drafts: the input of a form that the server could not accept without a new sign-in.

A draft is the query string of the fields that the view names in ``draft_fields``. It passes through the sign-in pages
as a hidden input, and then waits in the new session for one view of its page, which fills its form with it. The
server never submits a draft: the user does, and sees the text before.

The server no longer has the user of a session that ended, so the form names them in a hidden input. Another user who
signs in does not get the draft. A forged name shows nothing but the forger's own text.
"""

from collections.abc import Iterable
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, QueryDict

DRAFT = "draft"  # the hidden input, and the entry of the session: the page's path, and the draft
PAGE_USER = "page-user"  # the hidden input of a form: the user who opened its page
LIMIT = 32 * 1024  # characters: a key's settings of the maximum length, with the values that the page showed


def read_draft(request: HttpRequest, names: Iterable[str]) -> str:
    """The submitted fields with these names, the values that the page showed in them, and the user who opened it.

    "" if there are no such fields, or no user.
    """
    kept = [each for name in names for each in (name, f"initial-{name}")]
    fields = [(name, value) for name in kept for value in request.POST.getlist(name)]
    user = request.POST.get(PAGE_USER, "")
    return _limited(urlencode([*fields, (PAGE_USER, user)])) if fields and user else ""


def carried_draft(request: HttpRequest) -> str:
    """The draft in the hidden input of a sign-in page. Never read from the URL, which anyone can make up."""
    return _limited(request.POST.get(DRAFT, ""))


def keep_draft(request: HttpRequest, path: str, draft: str, user_id: UUID | None) -> None:
    """Keep the draft in the session of this user if they typed it. It replaces the waiting one."""
    request.session.pop(DRAFT, None)
    if QueryDict(draft).get(PAGE_USER) == str(user_id):
        request.session[DRAFT] = [path, draft]


def take_draft(request: HttpRequest) -> QueryDict:
    """The draft for this path, which is then forgotten. Empty if there is none."""
    path, draft = request.session.get(DRAFT, ("", ""))
    if path != request.get_full_path():
        return QueryDict()
    del request.session[DRAFT]
    return QueryDict(draft)


def drop_draft(request: HttpRequest, return_path: str) -> None:
    """Forget a waiting draft at any page except those that return to its page, such as a confirmation."""
    if DRAFT in request.session and request.session[DRAFT][0] != return_path:
        del request.session[DRAFT]


def _limited(draft: str) -> str:
    return draft if len(draft) <= LIMIT else ""
