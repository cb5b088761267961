"""Setting up: the first administrator, by a link that only who started the server has seen."""

from hmac import compare_digest

from django.db import transaction

from accounts import actions, setup_codes
from accounts.errors import AlreadySetUp, SetupLinkInvalid
from accounts.models import SetupLink, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ADMIN, SYSTEM
from accounts.services.users import create_user
from audit.log.events import Event
from audit.services import record
from kernel.clock import database_now


def is_set_up() -> bool:
    """Whether there is an account: from then on no link opens anything."""
    return User.objects.exists()


def issue_setup_link(*, principal: Principal) -> str:
    """The code of a new link, which ends the one before it. Raises Denied, AlreadySetUp."""
    principal.require("users.manage")
    code = setup_codes.new_code()
    with transaction.atomic():
        if is_set_up():
            raise AlreadySetUp
        link = SetupLink.objects.select_for_update().first() or SetupLink()
        link.code_hash = setup_codes.digest(code)
        link.expires_at = database_now() + setup_codes.LIFE
        link.save_with_mac()
        record(Event(action=actions.SETUP_LINK_ISSUED, meta={"expires_at": link.expires_at}), principal.actor)
    return code


def check_setup_link(code: str) -> None:
    """Raises AlreadySetUp, SetupLinkInvalid, IntegrityFailed."""
    if is_set_up():
        raise AlreadySetUp
    _require_valid(SetupLink.objects.first(), code)


@transaction.atomic
def create_first_admin(*, code: str, username: str, password: str, origin: Origin) -> User:
    """The first account; the link is used up with it. Raises AlreadySetUp, SetupLinkInvalid, Invalid."""
    # Held to the end: of two who use the link at once, the second finds it gone.
    held = SetupLink.objects.select_for_update().first()
    if is_set_up():
        raise AlreadySetUp
    link = _require_valid(held, code)
    anonymous = Principal(
        actor=origin.anonymous(), user_id=None, role=SYSTEM, permissions=frozenset({"users.manage"})
    )
    user = create_user(principal=anonymous, username=username, password=password, role=ADMIN)
    link.delete()
    return user


def _require_valid(link: SetupLink | None, code: str) -> SetupLink:
    known = "" if link is None else link.check_mac().code_hash
    is_right = compare_digest(known, setup_codes.digest(code))
    if link is None or not is_right or database_now() >= link.expires_at:
        raise SetupLinkInvalid
    return link
