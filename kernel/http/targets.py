"""The URL of a server that a user chose. Names are resolved at each delivery (``kernel.http.pinned``), not when the URL
is entered.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self
from urllib.parse import urlsplit

from kernel.errors import Invalid

MAX_URL: Final = 500
_HTTPS: Final = MappingProxyType({"https": 443})
_LABEL: Final = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
# Resolvers take a host that ends in a number, such as `2130706433` or `0x7f.1`, as an address (WHATWG URL, "ends in a
# number").
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z|0x[0-9a-f]*\Z){_LABEL}")
_PRINTABLE: Final = re.compile(r"[!-~]+")  # ASCII without spaces


@dataclass(frozen=True, slots=True)
class Target:
    """``path`` includes the query. ``host`` has no brackets."""

    host: str
    port: int
    path: str
    scheme: str = "https"

    @property
    def origin(self) -> str:
        """The URL without its path, which often contains a token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _HTTPS.get(self.scheme)
        return f"{self.scheme}://{host}" if self.port == default else f"{self.scheme}://{host}:{self.port}"

    @property
    def literal(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address, if the host is one instead of a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @classmethod
    def parse(cls, url: str, schemes: Mapping[str, int | None] = _HTTPS) -> Self:
        """``schemes`` are permitted, with their default ports. Raises Invalid, naming the field ``url``."""
        if len(url) > MAX_URL or not _PRINTABLE.fullmatch(url) or "\\" in url:
            raise _fault(f"Use at most {MAX_URL} ASCII characters without spaces or backslashes.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _fault("This is not a URL.") from None
        if parts.scheme not in schemes:
            raise _fault(f"Use a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
        if parts.username is not None or parts.password is not None:
            raise _fault("Remove the username and the password.")
        if parts.fragment or url.endswith("#"):
            raise _fault("Remove the part that begins with #.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = schemes[parts.scheme] if port is None else port
        if port is None:
            raise _fault("Add a port.")
        if not port:
            raise _fault("Use a port from 1 to 65535.")
        target = cls(parts.hostname or "", port, path, parts.scheme)
        if target.literal is None and not _NAME.fullmatch(target.host):
            raise _fault("Use a host name, or an IP address in its usual form.")
        return target

    def require_allowed(self, networks: Collection[str]) -> None:
        """Raises Invalid for an address that no delivery would reach. Names are checked at each delivery."""
        if self.literal is None:
            return
        from kernel.http.pinned import may_connect  # noqa: PLC0415 - loads urllib3, which web processes seldom need

        if not may_connect(self.literal, networks):
            raise _fault(
                "This address is not public. The person who runs this server can allow it with CC_WEBHOOK_ALLOWED_NETWORKS."
            )


def _fault(message: str) -> Invalid:
    return Invalid.of_field("url", message)
