"""The subject of the operations of ``accounts.users.operations``."""

from typing import Any, Final

from django.urls import reverse

from accounts.sessions.services import own_sessions
from accounts.users.services import listing
from accounts.users.services.listing import ListedUser
from audit.sequencing.catching_up import catch_up_with_request
from kernel.pages.operations import OperationView, Subject


def _facts(view: OperationView, found: ListedUser) -> dict[str, Any]:
    if not view.operation.ends_sessions:
        return {}
    sessions = own_sessions.count_sessions(principal=view.principal, user=found.user)
    return {"listed": found, "sessions": sessions, "is_self": found.user.id == view.principal.user_id}


USER: Final[Subject[ListedUser]] = Subject(
    url_name="user-{}",
    section="users",
    title="Users",
    find=listing.get_user,
    name=lambda listed: listed.user.username,
    arguments=lambda listed: {"user_id": listed.user.id},
    page=lambda _, listed: reverse("user", args=[listed.user.id]),
    object_type="user",
    object_part="user_id",
    facts=_facts,
    details="accounts/user_operation.html",
    catch_up=catch_up_with_request,
)
