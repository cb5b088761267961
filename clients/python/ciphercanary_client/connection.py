"""Address, token and options of the connection."""

import ipaddress
import os
import re
import ssl
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from ciphercanary_client.errors import ConnectionFailed
from ciphercanary_client.version import VERSION

URL_VARIABLE, TOKEN_VARIABLE = "CIPHERCANARY_URL", "CIPHERCANARY_TOKEN"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+", re.ASCII)  # RFC 6750, section 2.1
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def options(
    url: str | None,
    token: str | None,
    *,
    timeout: float,
    ca_file: str | None,
    allow_http: bool,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None,
) -> dict[str, Any]:
    """The arguments of httpx's clients. Raises ValueError for a URL or token that cannot be used."""
    base_url = server_url(url, allow_http=allow_http)
    is_https = base_url.startswith("https:")
    return {
        "base_url": base_url,
        "headers": {
            "Authorization": f"Bearer {bearer_token(token)}",
            "Accept-Encoding": "identity",
            "User-Agent": f"ciphercanary-client/{VERSION}",
        },
        "timeout": timeout,
        "follow_redirects": False,  # a redirect would send token and plaintext elsewhere
        "trust_env": is_https,  # HTTP_PROXY would get token and plaintext of plain HTTP
        # Without a file these are the system's certificates; httpx's default has its own.
        "verify": ssl.create_default_context(cafile=ca_file) if is_https and transport is None else False,
        "transport": transport,
    }


def server_url(url: str | None, *, allow_http: bool) -> str:
    """The URL of the server, by default that of CIPHERCANARY_URL. Raises ValueError."""
    given = os.environ.get(URL_VARIABLE, "") if url is None else url
    if not given:
        raise ValueError(f"The URL of the server is missing. Set {URL_VARIABLE}, or pass url (--url).")
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _has_valid_port(parts):
        raise ValueError(
            "The URL of the server begins with https:// or http://, followed by a host, and a port if it is another one."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("The URL of the server has no user, password, query or fragment.")
    if parts.path.rstrip("/").endswith("/api/v1"):
        raise ValueError("The URL of the server ends before /api/v1, which the client adds.")
    if parts.scheme == "http" and not allow_http and not _is_loopback(parts.hostname):
        raise ValueError(
            "Plain HTTP would send the token and the data in clear text. Use https, or pass allow_http=True (--allow-http)."
        )
    return given.rstrip("/")


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def bearer_token(token: str | None) -> str:
    """The token, by default that of CIPHERCANARY_TOKEN. Raises ValueError, without the token in its message."""
    given = token or os.environ.get(TOKEN_VARIABLE, "")
    if not given:
        raise ValueError(f"The token is missing. Set {TOKEN_VARIABLE}, or pass token (--token-file).")
    if not _TOKEN.fullmatch(given):
        raise ValueError("The token contains characters that no token has, such as a space or a line break.")
    return given


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def failure_of(error: httpx.HTTPError, url: httpx.URL) -> ConnectionFailed:
    """The failure of the transport. The text of httpx has no headers and no body.

    Raise it after the ``except`` block: as its context, ``error`` would keep the request with the token in memory.
    """
    reason = str(error) or type(error).__name__
    detail = f"No response from {url.scheme}://{url.netloc.decode()}: {reason}"
    return ConnectionFailed(detail, not isinstance(error, _NOT_SENT))
