"""The origin of a request: address, user agent, request id and interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from audit.log.events import Actor, ActorType, Source
from kernel.errors import DomainError


class Origin(Struct, frozen=True, kw_only=True):
    """The origin of a request, before its caller is authenticated."""

    client_ip: str
    user_agent: str
    request_id: str
    source: Source = Source.API

    def anonymous(self, name: str = "") -> Actor:
        return Actor.anonymous(self.client_ip, self.user_agent, self.request_id, self.source, name)

    def actor_like(self, known: Actor) -> Actor:
        """An actor known from an earlier request, with this request's origin."""
        return _acting_from(known, self.client_ip, self.user_agent, self.source).of_request(self.request_id)

    def service_account(
        self, account_id: UUID, name: str, *, auth_method: str = "", token_id: str = ""
    ) -> Actor:
        return Actor(
            user_id=None,
            actor_id=account_id,
            actor_type=ActorType.SERVICE_ACCOUNT,
            actor_name=name,
            auth_method=auth_method,
            token_id=token_id,
            client_ip=self.client_ip,
            user_agent=self.user_agent,
            source=self.source,
            request_id=self.request_id,
        )

    def user(self, user_id: UUID, username: str, *, auth_method: str = "", token_id: str = "") -> Actor:
        return Actor(
            user_id=user_id,
            actor_type=ActorType.USER,
            actor_name=username,
            auth_method=auth_method,
            token_id=token_id,
            client_ip=self.client_ip,
            user_agent=self.user_agent,
            source=self.source,
            request_id=self.request_id,
        )


@contextmanager
def held_by(holder: Actor) -> Iterator[None]:
    """Name the holder of a credential in every refusal that is raised here, for the log.

    Use it only after the client has proved to have the credential: its hash is known, or its signature verified.
    """
    try:
        yield
    except DomainError as error:
        error.holder = holder  # type: ignore[attr-defined]  # the core has no Actor type
        raise


def holder_in(refusal: DomainError) -> Actor | None:
    """As named by ``held_by``."""
    return getattr(refusal, "holder", None)


@lru_cache(4096)
def _acting_from(known: Actor, client_ip: str, user_agent: str, source: Source) -> Actor:
    """Cached, because busy callers usually send all their requests from one place."""
    return replace(known, client_ip=client_ip, user_agent=user_agent, source=source)
