"""Set-up: create the first administrator with a link that is shown only to the person who started the server."""

from django.db import transaction

from accounts import actions
from accounts.errors import AlreadySetUp, SetupLinkInvalid
from accounts.models import SetupLink, User
from accounts.models.links import digest
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import ADMIN, MANAGES_USERS, SYSTEM_RIGHTS
from accounts.users import link_codes
from accounts.users.services.creation import create_user
from audit.log.events import Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.identities import Identity
from kernel.trust.row_state import delete_rows


def is_set_up() -> bool:
    """Whether an account exists. If so, no set-up link works any more."""
    return User.objects.exists()


def issue_setup_link(*, principal: Principal) -> str:
    """The code of a new link, which replaces the previous one. Raises Denied, AlreadySetUp."""
    principal.require("users.manage")
    code = link_codes.new_code()
    with transaction.atomic():
        if is_set_up():
            raise AlreadySetUp
        link = SetupLink.objects.select_for_update().first() or SetupLink()
        link.code_hash = digest(code)
        link.expires_at = database_now() + link_codes.SETUP_LIFE
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
    """Create the first account and delete the link. Raises AlreadySetUp, SetupLinkInvalid, Invalid."""
    # Keep the lock until the end, so that only one of two concurrent uses of the link succeeds.
    row = SetupLink.objects.select_for_update().first()
    if is_set_up():
        raise AlreadySetUp
    _require_valid(row, code)
    delete_rows(SetupLink.objects.all())
    anonymous = Principal(
        actor=origin.anonymous(),
        identity=Identity.SYSTEM,
        rights=SYSTEM_RIGHTS,
        permissions=frozenset({MANAGES_USERS}),
    )
    return create_user(principal=anonymous, username=username, password=password, role=ADMIN)


def _require_valid(link: SetupLink | None, code: str) -> SetupLink:
    if link is None or not link.is_opened_by(digest(code), database_now()):
        raise SetupLinkInvalid
    return link
