"""Connections that no one can read on the way: https, and those of the same computer."""

import ipaddress
from typing import Final

from django.http import HttpRequest
from rest_framework.request import Request

from kernel.http.context import in_context

_FORWARDING: Final = ("x-forwarded-", "x-real-ip", "forwarded", "via")  # beginnings of the headers of proxies


def is_private(request: HttpRequest | Request) -> bool:
    """Whether the request came over https, or directly from this computer.

    Behind a proxy on this computer, every client may look local. A request with a header of a proxy is therefore not
    direct.
    """
    bare = in_context(request)
    if bare.is_secure():
        return True
    if any(name.lower().startswith(_FORWARDING) for name in bare.headers) or not bare.client_ip:
        return False
    return ipaddress.ip_address(bare.client_ip).is_loopback
