"""The peers whose forwarded headers count, and the hosts of the site."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from kernel.http.addresses import canonical_address


def may_forward(peer: str) -> bool:
    """Whether the ``X-Forwarded-`` headers of this peer count: ``CC_PROXY_NETWORKS`` is empty or contains it."""
    return not settings.CC_PROXY_NETWORKS or _is_in(peer, settings.CC_PROXY_NETWORKS)


@lru_cache(4096)
def _is_in(peer: str, networks: tuple[str, ...]) -> bool:
    address = canonical_address(peer)
    return bool(address) and any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    )


@lru_cache(64)
def is_allowed_host(host: bytes) -> bool:
    """Whether Django accepts this ``Host`` header."""
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
