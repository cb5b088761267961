"""The officers, in memory. The set is read at most once per second, for all callers and paths alike."""

import math
import time
from typing import Any, Final
from uuid import UUID

import django.db
from django.http import HttpRequest

from accounts.principals import Principal
from accounts.tokens.authentication import find_session
from canaries.documents import active_officers
from canaries.sealed.store import read_set
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.http.middleware import is_api
from kernel.pages.shell import shell as shell_of_all
from kernel.pages.views import known_principal
from kernel.runtime import ProcessState

PERIOD: Final = 1.0  # seconds
_PAGE: Final = "/canaries/"  # ``reverse`` does not find a hidden route


class _Known:
    def __init__(self) -> None:
        self._ids: frozenset[UUID] = frozenset()
        self._read_at = -math.inf

    def ids(self) -> frozenset[UUID]:
        if time.monotonic() - self._read_at >= PERIOD:
            self._ids = _read()
            self._read_at = time.monotonic()
        return self._ids


_known: Final = ProcessState(_Known)


def find_officer(request: HttpRequest) -> Principal | None:
    """The officer who sent the request, or None. Takes the same steps for every path."""
    caller = find_session(request) if is_api(request) else known_principal(request)
    ids = _known.current.ids()  # for others, too, and before the decision
    if not (isinstance(caller, Principal) and caller.has_second_factor and caller.user_id in ids):
        return None
    return caller


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor of every page. Only a session with a second factor can be an officer's."""
    caller = known_principal(request)
    has_factor = isinstance(caller, Principal) and caller.has_second_factor
    is_officer = caller is not None and has_factor and caller.user_id in _known.current.ids()
    return shell_of_all(request) | {"officers_page": _PAGE if is_officer else ""}


def _read() -> frozenset[UUID]:
    try:
        return active_officers(read_set().offices, database_now())
    except (DomainError, django.db.Error):  # altered, before the first start, or no database
        return frozenset()
