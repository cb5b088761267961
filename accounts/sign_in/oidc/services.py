"""Sign in through an OpenID Connect provider, and confirm an identity there.

Between the two halves the caller keeps the state in the browser's session, and passes it in once. It binds the
provider's response to the browser (``state``), to the request (``nonce``) and to this server (``verifier``, PKCE).
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hmac import compare_digest
from urllib.parse import urlencode

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import actions
from accounts.errors import IdTokenRefused, LastAdmin, NameTaken, ProviderRefused, SignInDenied, SignInExpired
from accounts.models import BrowserSession, OidcIdentity, User
from accounts.origin import Origin
from accounts.principals import Principal
from accounts.roles import MANAGES_USERS, SYSTEM_RIGHTS
from accounts.sign_in.oidc.claims import LONGEST_USERNAME, ExternalIdentity, read_identity, values_of
from accounts.sign_in.oidc.id_token import Expected, verify_id_token
from accounts.sign_in.oidc.provider import Metadata, error_word, provider
from accounts.trail import oidc_identity_values, user_event
from accounts.users.services.creation import create_user
from accounts.users.services.editing import set_role, sign_out_everywhere
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import process_now
from kernel.identities import Identity
from kernel.trust.row_heads import find_current

type _State = dict[str, str]

_VALID_FOR = timedelta(minutes=10)
_AUTH_METHOD = "oidc"
_NO_ROLE = "The identity provider gives you no role in CipherCanary. Contact an administrator."
_DISABLED = "Your account is disabled. Contact an administrator."
_LAST_ADMIN = (
    "The identity provider no longer gives you the role admin, but you are the last active administrator. "
    "Create another administrator first."
)
_ANOTHER_PERSON = "You signed in at the identity provider as another person. Try again as yourself."
_ROLE_CHANGED = "Your role at the identity provider has changed. Sign out, then sign in again."

logger = logging.getLogger(__name__)


def begin_oidc(*, sign_in_again: bool = False) -> tuple[str, _State]:
    """The URL of the provider's sign-in page, and the state. Raises ProviderUnavailable.

    With ``sign_in_again`` the provider must request the person's credentials, even if it has a session.
    """
    metadata = provider.current.metadata
    state: _State = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    state["begun_at"] = process_now().isoformat()
    challenge = hashlib.sha256(state["verifier"].encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": settings.CC_OIDC.client_id,
        "redirect_uri": _redirect_uri(),
        "scope": " ".join(_scopes(metadata)),
        "state": state["state"],
        "nonce": state["nonce"],
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    if sign_in_again:
        parameters |= {"prompt": "login", "max_age": "0"}
    separator = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{separator}{urlencode(parameters)}", state


def read_oidc_response(
    *, state: Mapping[str, str], response: Mapping[str, str], signed_in_again: bool = False
) -> ExternalIdentity:
    """The person in the provider's response (the parameters of the callback).

    Raises SignInExpired, ProviderRefused, IdTokenRefused, ProviderUnavailable. Call it outside any transaction,
    because it waits for the provider.
    """
    _require_own_response(state, response)
    if "error" in response:
        logger.warning("The identity provider refused a sign-in: %s", error_word(response["error"]))
        raise ProviderRefused
    begun_at = datetime.fromisoformat(state["begun_at"])
    tokens = provider.current.redeem(response.get("code", ""), state["verifier"], _redirect_uri())
    expected = Expected(
        issuer=settings.CC_OIDC.issuer,
        client_id=settings.CC_OIDC.client_id,
        nonce=state["nonce"],
        access_token=tokens.access_token,
        authenticated_since=begun_at.timestamp() if signed_in_again else None,
    )
    claims = verify_id_token(tokens.id_token, provider.current.keys, expected)
    if not values_of(claims, settings.CC_OIDC.role_claim):  # many providers put groups and names there only
        more = provider.current.user_info(tokens.access_token)
        if more and more.get("sub") != claims["sub"]:  # Core 1.0, section 5.3.2
            raise IdTokenRefused
        claims = {**more, **claims}
    return read_identity(claims, settings.CC_OIDC.role_claim, settings.CC_OIDC.roles)


def sign_in_with_oidc(*, identity: ExternalIdentity, origin: Origin) -> User:
    """Sign the person in, and create their user at the first time. Django may open a session for the returned user.

    The role follows the provider: a change ends the user's other sessions. Raises SignInDenied, SessionEnded,
    IntegrityFailed. Call it outside any transaction.
    """
    seen = _find(identity) or _create(identity, origin)
    if not seen.is_active:
        raise SignInDenied(_DISABLED)
    seen = _follow_role(seen, identity, origin)
    with transaction.atomic():
        user = User.objects.lock_unchanged(seen)
        event = user_event(
            actions.SESSION_OPENED, user.id, issuer=identity.issuer, provider_methods=identity.methods
        )
        record(event, origin.user(user.id, user.username, auth_method=_AUTH_METHOD))
    return user


def confirm_with_oidc(*, principal: Principal, identity: ExternalIdentity, origin: Origin) -> None:
    """Accept the person's new sign-in at the provider as a recent sign-in of the caller.

    Raises Denied, SignInDenied, SessionEnded, IntegrityFailed. Call it outside any transaction.
    """
    seen = _find(identity)
    if seen is None or seen.pk != principal.person_id:
        raise SignInDenied(_ANOTHER_PERSON)
    if seen.role != identity.role:
        raise SignInDenied(_ROLE_CHANGED)
    with transaction.atomic():
        user = User.objects.lock_unchanged(seen)
        actor = origin.user(user.id, user.username, auth_method=_AUTH_METHOD)
        record(user_event(actions.IDENTITY_CONFIRMED, user.id), actor)


def _require_own_response(state: Mapping[str, str], response: Mapping[str, str]) -> None:
    is_own = compare_digest(state.get("state", "").encode(), response.get("state", "").encode())
    if not state or not is_own:
        raise SignInExpired
    if process_now() - datetime.fromisoformat(state["begun_at"]) > _VALID_FOR:
        raise SignInExpired
    # RFC 9207: the response of another provider that was mixed up with ours.
    is_required = provider.current.metadata.names_itself
    if response.get("iss", "" if is_required else settings.CC_OIDC.issuer) != settings.CC_OIDC.issuer:
        logger.warning("A response names another identity provider.")
        raise IdTokenRefused


def _redirect_uri() -> str:
    return f"{settings.CC_PUBLIC_URL}{reverse('oidc-callback')}"


def _scopes(metadata: Metadata) -> list[str]:
    """Some providers add groups only to a scope of the same name."""
    wanted = ["openid", "profile"]
    return [*wanted, *({settings.CC_OIDC.role_claim} & metadata.scopes - {*wanted})]


def _find(identity: ExternalIdentity) -> User | None:
    rows = OidcIdentity.objects.filter(issuer=identity.issuer, subject=identity.subject)
    row = find_current(rows.select_related("user"), "user")
    return None if row is None else row.user


def _create(identity: ExternalIdentity, origin: Origin) -> User:
    if not identity.role:
        raise SignInDenied(_NO_ROLE)
    principal = _on_behalf_of_provider(identity, origin)
    try:
        with transaction.atomic():
            user = _create_user(principal, identity)
            row = OidcIdentity(user=user, issuer=identity.issuer, subject=identity.subject)
            row.save_with_mac()
            change = RowChange.of_row(row, after=oidc_identity_values(row))
            record(user_event(actions.IDENTITY_LINKED, user.id), principal.actor, changes=[change])
    except IntegrityError:  # the same person signed in twice at the same time
        found = _find(identity)
        if found is None:
            raise
        return found
    return user


def _create_user(principal: Principal, identity: ExternalIdentity) -> User:
    for name in _free_names(identity.username):
        with suppress(NameTaken):
            return create_user(principal=principal, username=name, password=None, role=identity.role)
    raise SignInDenied(f"Too many users are called {identity.username}. Contact an administrator.")


def _free_names(name: str) -> Iterator[str]:
    """The name, and variants: an existing user of this name is another person."""
    yield name
    for suffix in (*map(str, range(2, 10)), secrets.token_hex(4)):
        yield f"{name[: LONGEST_USERNAME - 1 - len(suffix)]}-{suffix}"


def _follow_role(user: User, identity: ExternalIdentity, origin: Origin) -> User:
    principal = _on_behalf_of_provider(identity, origin)
    if not identity.role:
        tokens = user.service_tokens.filter(revoked_at=None, subject_version=user.subject_version)
        if BrowserSession.objects.filter(user=user).exists() or tokens.exists():
            sign_out_everywhere(principal=principal, user_id=user.id)
        raise SignInDenied(_NO_ROLE)
    try:
        return (
            user
            if user.role == identity.role
            else set_role(principal=principal, user_id=user.id, role=identity.role)
        )
    except LastAdmin:
        raise SignInDenied(_LAST_ADMIN) from None


def _on_behalf_of_provider(identity: ExternalIdentity, origin: Origin) -> Principal:
    """A principal for the changes that the provider decides. The log names the person as it claims them."""
    actor = origin.anonymous(identity.username)
    return Principal(
        actor=actor,
        identity=Identity.SYSTEM,
        rights=SYSTEM_RIGHTS,
        permissions=frozenset({MANAGES_USERS}),
    )
