"""Users of the product: an account, a signed-in API client, and the principal behind its token."""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client

PASSWORD = "correct horse battery staple"
ELSEWHERE = "198.51.100.7"  # not the address of requests


class ApiClient:
    """A JSON client: ``api.post("/api/v1/keys", {...})`` returns a ``Response``."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self._client = Client(raise_request_exception=False)

    def get(self, path: str, **headers: str) -> "Response":
        return self.send("GET", path, None, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> "Response":
        return self.send("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> "Response":
        return self.send("PATCH", path, {} if body is None else body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> "Response":
        return self.send("DELETE", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> "Response":
        """Send ``body``: bytes unchanged, anything else as JSON. ``headers`` use underscores."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            extra.setdefault("Authorization", f"Bearer {self.token}")
        content_type = extra.pop("Content-Type", "application/json")
        response = self._client.generic(method, path, data, content_type, headers=extra)
        return Response(_read_whole(response) if response.streaming else response)


def _read_whole(response: Any) -> HttpResponse:
    """Read a streamed response to its end."""
    return HttpResponse(response.getvalue(), status=response.status_code, headers=dict(response.headers))


@dataclass(frozen=True)
class Response:
    raw: HttpResponse

    @property
    def status(self) -> int:
        return self.raw.status_code

    @property
    def headers(self) -> Any:
        return self.raw.headers

    @property
    def json(self) -> Any:
        return json.loads(self.raw.content) if self.raw.content else None

    @property
    def code(self) -> str:
        """The problem's code; fails if the response is no problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.raw.content
        return str(self.json["code"])


@dataclass(frozen=True)
class Persona:
    """``user`` is the row of a user or of a service account."""

    user: Any
    api: ApiClient
    principal: Any
    refresh_token: str


def make_persona(username: str, role: str) -> Persona:
    """Create the account and log it in, through the same services as the interfaces."""
    from accounts.origin import Origin  # noqa: PLC0415 - models need a set-up Django
    from accounts.sessions.services.sessions import open_session  # noqa: PLC0415
    from accounts.tokens.access_tokens import authenticate_bearer  # noqa: PLC0415
    from tests.factories import UserFactory  # noqa: PLC0415

    user = UserFactory(username=username, role=role)
    origin = Origin(client_ip="127.0.0.1", user_agent="tests", request_id="test")
    pair = open_session(user, "password", origin)
    principal = authenticate_bearer(pair.access_token, origin)
    return Persona(
        user=user, api=ApiClient(pair.access_token), principal=principal, refresh_token=pair.refresh_token
    )


def make_service_account(name: str, role: str) -> Persona:
    """Create a service account, and a token with every scope that the role can have."""
    from tests.factories import SYSTEM, ServiceAccountFactory  # noqa: PLC0415 - models need a set-up Django

    account = ServiceAccountFactory(name=name, role=role)
    return with_token(Persona(user=account, api=ApiClient(), principal=SYSTEM, refresh_token=""))


def _scopes_within(scopes: Collection[str], limits: dict[str, Any]) -> list[str]:
    """A token for some keys has only scopes about keys."""
    return [word for word in scopes if "key_ids" not in limits or word.startswith(("keys.", "crypto."))]


def with_token(owner: Persona, scopes: Collection[str] = (), **limits: Any) -> Persona:
    """The user or service account with a new token. Without ``scopes``, it has every scope that the role can have.

    ``limits`` are ``key_ids`` and ``networks``.
    """
    from accounts.models import User  # noqa: PLC0415 - models need a set-up Django
    from accounts.origin import Origin  # noqa: PLC0415
    from accounts.service_accounts.services.tokens import scopes_for  # noqa: PLC0415
    from accounts.tokens.access_tokens import authenticate_bearer  # noqa: PLC0415
    from tests.factories import SYSTEM, TokenFactory  # noqa: PLC0415

    is_person = isinstance(owner.user, User)
    text = TokenFactory(
        principal=owner.principal if is_person else SYSTEM,
        scopes=_scopes_within(scopes or scopes_for(owner.user.rights) - {"vault.manage"}, limits),
        account_id=None if is_person else owner.user.id,
        **limits,
    ).text
    # The address is in the networks of every test that limits them, unlike the address of its requests.
    origin = Origin(client_ip=ELSEWHERE, user_agent="tests", request_id="test")
    principal = authenticate_bearer(text, origin)
    return Persona(user=owner.user, api=ApiClient(text), principal=principal, refresh_token="")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()
