"""The provider's metadata (Discovery 1.0), keys (RFC 7517), token endpoint (RFC 6749) and user info."""

import base64
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlsplit

from django.conf import settings

from accounts.errors import ProviderRefused, ProviderUnavailable
from accounts.sign_in.oidc.json_requests import fetch
from kernel.runtime import ProcessState

_CACHE_SECONDS = 3600.0
_REFETCH_SECONDS = 60.0  # keys are not read again sooner, however many tokens name an unknown key
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The members of the discovery document that the sign-in uses."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    authentication_methods: frozenset[str]
    scopes: frozenset[str]
    names_itself: bool  # in each authorization response (RFC 9207)


@dataclass(frozen=True, slots=True)
class _Tokens:
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Fetched[T]:
    value: T
    at: float = field(default_factory=time.monotonic)

    def is_younger_than(self, seconds: float) -> bool:
        return time.monotonic() - self.at < seconds


class _Provider:
    """The configured provider, with its cached documents."""

    def __init__(self) -> None:
        self._metadata: _Fetched[Metadata] | None = None
        self._keys: _Fetched[list[dict[str, Any]]] | None = None

    @property
    def metadata(self) -> Metadata:
        """Raises ProviderUnavailable."""
        if self._metadata is None or not self._metadata.is_younger_than(_CACHE_SECONDS):
            self._metadata = _Fetched(_discover(settings.CC_OIDC.issuer))
        return self._metadata.value

    def keys(self, kid: str | None) -> list[dict[str, Any]]:
        """The published keys with this id, or all if it is None. Raises ProviderUnavailable.

        An unknown id may belong to a new key, so the keys are then read again.
        """
        if self._keys is None or not self._keys.is_younger_than(_CACHE_SECONDS):
            self._keys = _Fetched(_read_keys(self.metadata.jwks_uri))
        found = _with_id(self._keys.value, kid)
        if not found and not self._keys.is_younger_than(_REFETCH_SECONDS):
            self._keys = _Fetched(_read_keys(self.metadata.jwks_uri))
            found = _with_id(self._keys.value, kid)
        return found

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> _Tokens:
        """Exchange the authorization code. Raises ProviderRefused, ProviderUnavailable."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        more, headers = _client_authentication(self.metadata.authentication_methods)
        status, response = fetch(self.metadata.token_endpoint, fields=fields | more, headers=headers)
        if status != HTTPStatus.OK:
            logger.warning("The identity provider refused the code: %s", error_word(response.get("error")))
            raise ProviderRefused
        id_token, access_token = response.get("id_token"), response.get("access_token")
        if not (isinstance(id_token, str) and isinstance(access_token, str)):
            raise ProviderUnavailable("its response has no tokens")
        return _Tokens(id_token, access_token)

    def user_info(self, access_token: str) -> dict[str, Any]:
        """The claims at the user info endpoint; empty without one. Raises ProviderRefused, ProviderUnavailable."""
        if not self.metadata.userinfo_endpoint:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        status, response = fetch(self.metadata.userinfo_endpoint, headers=headers)
        if status != HTTPStatus.OK:
            logger.warning("The identity provider refused its user info with status %s", status)
            raise ProviderRefused
        return response


def error_word(error: object) -> str:
    """An error code of OAuth, safe to log. Anyone can put any text into a callback."""
    return error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else "unknown"


def is_safe_url(url: object) -> bool:
    """Whether a URL is https, or http on this machine."""
    if not isinstance(url, str) or not re.fullmatch(r"https?://[!-~]+", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without an address
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in _LOOPBACK)


def _discover(issuer: str) -> Metadata:
    status, found = fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    # Otherwise another issuer's tokens would be accepted: OpenID Connect Discovery 1.0, section 4.3.
    if status != HTTPStatus.OK or found.get("issuer") != issuer:
        raise ProviderUnavailable("its metadata is not that of CC_OIDC_ISSUER")
    endpoints = {
        name: found.get(name, "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    if not all(map(is_safe_url, endpoints.values())):
        raise ProviderUnavailable("its metadata lacks an endpoint with https")
    user_info = found.get("userinfo_endpoint", "")
    return Metadata(
        issuer=issuer,
        **endpoints,
        userinfo_endpoint=user_info if is_safe_url(user_info) else "",
        authentication_methods=_words(found, "token_endpoint_auth_methods_supported"),
        scopes=_words(found, "scopes_supported"),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _words(found: Mapping[str, Any], name: str) -> frozenset[str]:
    words = found.get(name)
    return (
        frozenset(word for word in words if isinstance(word, str)) if isinstance(words, list) else frozenset()
    )


def _read_keys(url: str) -> list[dict[str, Any]]:
    status, found = fetch(url)
    keys = found.get("keys")
    if status != HTTPStatus.OK or not isinstance(keys, list):
        raise ProviderUnavailable("it publishes no keys")
    return [key for key in keys if isinstance(key, dict)]


def _with_id(keys: list[dict[str, Any]], kid: str | None) -> list[dict[str, Any]]:
    return [key for key in keys if kid is None or key.get("kid") == kid]


def _client_authentication(methods: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Form fields and headers (RFC 6749 section 2.3.1). Basic is the default of Discovery 1.0."""
    client_id, secret = settings.CC_OIDC.client_id, settings.CC_OIDC.client_secret
    if not secret:
        return {"client_id": client_id}, {}
    if methods and "client_secret_basic" not in methods:
        return {"client_id": client_id, "client_secret": secret}, {}
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return {}, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


provider = ProcessState(_Provider)
