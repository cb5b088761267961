"""The base of the dialect's views: authentication, bodies and errors."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.tokens.authentication import BearerAuthentication, KnownBearerAuthentication
from crypto_ops.deciding.api import EngineView
from dialects import actions
from dialects.errors import Refusal, wrapped
from dialects.vault import responses
from dialects.vault.bodies import Body, Received, read
from kernel.errors import NotFound
from kernel.http.context import in_context, set_audit_object
from kernel.rules import AUTHENTICATED, Rule
from keys.reading.rest_references import KeyReferenceView
from keys.references import transit_reference

_TOKEN = "X-Vault-Token"  # noqa: S105 - the name of a header
_NAMESPACE = "X-Vault-Namespace"
_WRAP_TTL = "X-Vault-Wrap-TTL"
_ROOT = frozenset({"", "root"})
_UNWRAPPED = frozenset({"", "0", "0s"})


class TokenInHeader(BearerAuthentication):
    """Authenticates by ``X-Vault-Token``, or by ``Authorization: Bearer``."""

    def token_of(self, request: Request) -> str | None:
        token = request.headers.get(_TOKEN, "")
        if not token:
            return super().token_of(request)
        if "Authorization" in request.headers:
            # Two parties could read different tokens from one request.
            raise Refusal(f"send either {_TOKEN} or Authorization, not both", HTTPStatus.BAD_REQUEST)
        return token


class OfOperations(TokenInHeader, KnownBearerAuthentication):
    """Of operations, whose commit compares the rights of the caller and records the use of the token."""


class VaultView(EngineView, KeyReferenceView):
    """``missing_key``: the text for a key that does not exist, or that the caller cannot see, and its status."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "list"]
    authentication_classes = [TokenInHeader]
    missing_key: ClassVar[tuple[str, HTTPStatus]] = ("encryption key not found", HTTPStatus.BAD_REQUEST)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before all refusals, because the log names the caller of a refused request.
        super().initial(request, *args, **kwargs)
        if request.headers.get(_WRAP_TTL, "") not in _UNWRAPPED:
            # Without wrapping, the response would show in plain what the client wants to hide.
            raise Refusal("response wrapping is not supported by this server", HTTPStatus.BAD_REQUEST)
        if request.headers.get(_NAMESPACE, "").strip("/") not in _ROOT:
            raise Refusal("namespace not found", HTTPStatus.NOT_FOUND)

    def handle_exception(self, exc: Exception) -> Response | HttpResponse:  # type: ignore[override]  # DRF accepts both
        super().handle_exception(exc)  # records the refusal, and compares the caller's rights
        context = in_context(self.request)
        if "name" in self.kwargs and not any(getattr(context, "audit_object", ())):
            # The refusal came before the search for the key. The log must not take another key from the body.
            set_audit_object(context, "key", transit_reference(self.kwargs["mount"], self.kwargs["name"]))
        refusal = context.refusal
        if isinstance(refusal, NotFound):  # as which the log records it
            refusal = Refusal(*self.missing_key)
        return responses.refused(refusal)

    def put(self, request: Request, *args: Any, **named: Any) -> HttpResponse:
        """The same as POST, as everywhere in Vault."""
        found: HttpResponse = self.post(request, *args, **named)  # type: ignore[attr-defined]  # rules admit it only if it exists
        return found

    def rule_of(self, request: Request) -> Rule | None:
        method = {"HEAD": "GET", "PUT": "POST"}.get(request.method or "", request.method or "")
        return self.rules.get(method)

    def received[B: Body](self, kind: type[B]) -> Received[B]:
        """The body. Raises Invalid."""
        context = in_context(self.request)
        return read(context.body, kind, of_path=[name for name in self.kwargs if name != "mount"])

    def answer(
        self,
        data: Mapping[str, object] | None,
        *,
        warnings: Sequence[str] = (),
        status: int = 200,
        members: Mapping[str, object] = {},
    ) -> HttpResponse:
        request_id = in_context(self.request).request_id
        return responses.answer(request_id, data, warnings=warnings, status=status, members=members)

    def key_id(self, mount: str, name: str) -> Any:
        """The ID of a key. Raises NotFound, Denied."""
        return self.key_id_of(transit_reference(mount, name))


class UnsupportedPathView(VaultView):
    """Any path that the dialect does not have."""

    rules = dict.fromkeys(
        ["GET", "POST", "PATCH", "DELETE", "LIST"], Rule(AUTHENTICATED, actions.PATH_REFUSED)
    )

    def get(self, _request: Request, **_named: Any) -> HttpResponse:
        raise Refusal(wrapped("unsupported path"), HTTPStatus.NOT_FOUND)

    post = patch = delete = list = get
