"""Reduce the client's address and user agent in new entries (``CC_AUDIT_ADDRESSES``, ``CC_AUDIT_USER_AGENTS``).

The actor of a request has both in full, because decisions need the address: the networks of tokens and grants, and the
limits of refusals.
"""

from django.conf import settings
from msgspec.structs import replace

from audit.log.events import Actor
from kernel.http.addresses import wide_network_of


def as_recorded(actor: Actor) -> Actor:
    """The actor as an entry has it. Of a network, it has the first address, because SIEMs expect an IP address."""
    user_agent = actor.user_agent if settings.CC_AUDIT_USER_AGENTS == "full" else ""
    return replace(actor, client_ip=recorded_address(actor.client_ip), user_agent=user_agent)


def recorded_address(address: str) -> str:
    """An address as entries have it."""
    return recorded_network(address).partition("/")[0]


def recorded_network(network: str) -> str:
    """An address or a network (CIDR) as entries have it: unchanged, its wide network, or ""."""
    if settings.CC_AUDIT_ADDRESSES == "full":
        return network
    return wide_network_of(network) if settings.CC_AUDIT_ADDRESSES == "network" else ""
