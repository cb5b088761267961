"""Authentication of REST requests by bearer token."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.origin import Origin, holder_in
from accounts.principals import Principal
from accounts.tokens.access_tokens import (
    BAD_TOKEN,
    authenticate_access_token,
    authenticate_bearer,
    authenticate_known_bearer,
)
from accounts.tokens.recorded_uses import record_use
from accounts.tokens.service_tokens import require_network
from audit.log.events import Actor, Source
from kernel.errors import DomainError, Unauthenticated
from kernel.freshness.epoch import read_epoch, renew_stamps
from kernel.freshness.stamps import EpochStamp, StaleDecision
from kernel.http.context import in_context
from kernel.rest.authentication import Authentication


class BearerAuthentication(Authentication):
    """Authenticate by the Authorization header (RFC 6750). Browser sessions never authenticate API requests."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        token = self.token_of(request)
        return None if token is None else (self.verify(request, token), None)

    def token_of(self, request: Request) -> str | None:
        """The token of a request; None without one. Raises Unauthenticated."""
        return _bearer_token(request)

    def verify(self, request: Request, token: str) -> Principal:
        return _principal_of(request, token)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return "Bearer"

    def admitted(self, request: Request) -> None:
        """Record the use of a service token. Raises AuditUnavailable."""
        record_use(cast("Principal", request.user), in_context(request).audit_action)


class KnownBearerAuthentication(BearerAuthentication):
    """Like its base class, without a statement for a token that this process has verified.

    The view must compare the rights before it responds: by a commit, which records the use of the token, or with
    ``require_current_rights`` and ``record_use``.
    """

    def verify(self, request: Request, token: str) -> Principal:
        return _principal_of(request, token, authenticate_known_bearer)

    def admitted(self, request: Request) -> None:
        """Nothing, because the token may have ended since it was verified."""


def require_current_rights(request: HttpRequest | Request) -> None:
    """Raises StaleDecision if the rights of the request's caller have changed since their token was verified.

    The request then has no caller, and can be authenticated again.
    """
    context = in_context(request)
    stamp: EpochStamp | None = getattr(context, "caller_stamp", None)
    if stamp is not None and (changed := renew_stamps([stamp], read_epoch())):
        del context.caller_stamp, context.actor  # type: ignore[attr-defined]  # as in name_actor
        raise StaleDecision(changed)


def admit_request(request: HttpRequest, permission: str, action: str) -> None:
    """Authenticate the caller of a view outside DRF, who needs a permission. Raises its refusals, AuditUnavailable."""
    in_context(request).audit_action = action
    token = _bearer_token(request)
    if token is None:
        raise Unauthenticated("Send an access token: Authorization: Bearer ….")
    principal = _principal_of(request, token)
    principal.require(permission)
    record_use(principal, action)


def _bearer_token(request: HttpRequest | Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if not token:
        raise Unauthenticated(BAD_TOKEN)
    return token


def _principal_of(
    request: HttpRequest | Request, token: str, authenticate: Callable[..., Principal] = authenticate_bearer
) -> Principal:
    origin = origin_of(request)
    with naming_holder(request):
        principal = authenticate(token, origin, *_entities_of(request))
    name_actor(request, principal.actor)
    in_context(request).caller_stamp = principal.stamp  # type: ignore[attr-defined]  # as in name_actor
    require_network(principal, principal.actor.client_ip)
    return principal


def find_session(request: HttpRequest) -> Principal | None:
    """The person whose access token the request carries, or None.

    For a request that gets the same response anyway: this refuses nothing, counts nothing, and names no actor.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return authenticate_access_token(token, origin_of(request))
    except DomainError:
        return None


@contextmanager
def naming_holder(request: HttpRequest | Request) -> Iterator[None]:
    """Record a refusal of a genuine credential, which may have ended, under the name of its holder."""
    try:
        yield
    except DomainError as error:
        if holder := holder_in(error):
            name_actor(request, holder)
        raise


def _entities_of(request: HttpRequest | Request) -> tuple[str, ...]:
    """The entity (``kernel.freshness.stamps``) that the URL names, if there is one."""
    kind, name = getattr(in_context(request), "audit_object", ("", ""))
    return (f"{kind}:{name}",) if kind else ()


def origin_of(request: HttpRequest | Request, source: Source = Source.API) -> Origin:
    """The origin of a request, as determined by ``kernel.http.middleware``."""
    context = in_context(request)
    return Origin(
        client_ip=context.client_ip,
        user_agent=context.headers.get("User-Agent", ""),
        request_id=context.request_id,
        source=source,
    )


def name_actor(request: HttpRequest | Request, actor: Actor) -> None:
    """Set the actor to record if the request is refused."""
    in_context(request).actor = actor  # type: ignore[attr-defined]  # the kernel has no Actor type; audit reads this
