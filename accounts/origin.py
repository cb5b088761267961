"""Where a request comes from."""

from dataclasses import dataclass
from uuid import UUID

from audit.events import Actor, ActorType, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from, before anybody is known to have sent it."""

    client_ip: str
    user_agent: str
    request_id: str
    source: Source = Source.API

    def anonymous(self, name: str = "") -> Actor:
        return Actor.anonymous(self.client_ip, self.user_agent, self.request_id, self.source, name)

    def actor_like(self, known: Actor) -> Actor:
        """Somebody known from another request, acting from here."""
        return Actor(
            user_id=known.user_id,
            actor_type=known.actor_type,
            actor_name=known.actor_name,
            auth_method=known.auth_method,
            token_id=known.token_id,
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
