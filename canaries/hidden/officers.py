"""The officers, in memory. The set is read at most once per second, for all callers and paths alike."""

import math
import time
from collections.abc import Mapping
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
        self._revisions: Mapping[UUID, int] = {}
        self._read_at = -math.inf

    def revisions(self) -> Mapping[UUID, int]:
        """The revision of each officer's account."""
        if time.monotonic() - self._read_at >= PERIOD:
            self._revisions = _read()
            self._read_at = time.monotonic()
        return self._revisions


_known: Final = ProcessState(_Known)


def find_officer(request: HttpRequest) -> Principal | None:
    """The officer who sent the request, or None. Takes the same steps for every path."""
    caller = find_session(request) if is_api(request) else known_principal(request)
    revisions = _known.current.revisions()  # for others, too, and before the decision
    return caller if isinstance(caller, Principal) and _is_officer(caller, revisions) else None


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor of every page. Only a session with a second factor can be an officer's."""
    caller = known_principal(request)
    is_officer = False
    if isinstance(caller, Principal) and caller.has_second_factor:
        is_officer = _is_officer(caller, _known.current.revisions())
    return shell_of_all(request) | {"officers_page": _PAGE if is_officer else ""}


def _is_officer(caller: Principal, revisions: Mapping[UUID, int]) -> bool:
    user_id = caller.user_id
    return caller.has_second_factor and user_id is not None and revisions.get(user_id) == caller.revision


def _read() -> Mapping[UUID, int]:
    try:
        offices = read_set().offices
        active = active_officers(offices, database_now())
    except (DomainError, django.db.Error):  # altered, before the first start, or no database
        return {}
    return {office.user_id: office.revision for office in offices if office.user_id in active}
