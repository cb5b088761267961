"""A view that denies by default: it refuses methods without a rule, and audit events of refusals name the action."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from kernel import throttle
from kernel.actions import REQUEST_REFUSED
from kernel.errors import SecondFactorRequired, Unauthenticated
from kernel.http.context import in_context, set_audit_object
from kernel.rest.authentication import Authentication
from kernel.rest.exceptions import invalid
from kernel.rest.fields import StrictSerializer, blank
from kernel.rest.paging import PageQuery
from kernel.rest.parsers import StrictJSONParser
from kernel.rules import AUTHENTICATED, PUBLIC, Caller, Rule


class ApiView[P: Caller](APIView):
    """One endpoint. ``rules`` defines who may use each method; a method without a rule is refused.

    ``object_reference`` names the type of object in the URL, and the URL parameter with its id.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    parser_classes = [StrictJSONParser]
    max_body_bytes: ClassVar[int] = 0
    """A limit below ``CC_MAX_BODY_BYTES`` for endpoints that need less; 0 means no separate limit."""
    rules: ClassVar[Mapping[str, Rule]] = {}
    object_reference: ClassVar[tuple[str, str]] = ("", "")
    _charged = ""  # the principal whose budget this request was charged to

    @property
    def default_response_headers(self) -> dict[str, str]:
        """DRF's headers without Allow, which only 405 responses have."""
        return {"Vary": "Accept"} if len(self.renderer_classes) > 1 else {}

    @property
    def principal(self) -> P:
        """The caller; anonymous only if the rule is public."""
        return cast("P", self.request.user)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        rule = self.rule_of(request)
        in_context(request).audit_action = rule.action if rule else REQUEST_REFUSED
        kind, part = self.object_reference
        if kind:
            set_audit_object(request, kind, str(kwargs.get(part, "")))
        open_to_all = {r.permission for r in ([rule] if rule else self.rules.values())} == {PUBLIC}
        if not open_to_all:
            self._admit(request)
        self.format_kwarg = self.get_format_suffix(**kwargs)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if rule is None:
            raise MethodNotAllowed(request.method or "")
        if rule.permission is AUTHENTICATED and self.principal.must_enrol:
            raise SecondFactorRequired
        for permission in rule.permissions:
            self.principal.require(permission)
        if isinstance(request.successful_authenticator, Authentication):  # None on public views
            request.successful_authenticator.admitted(request)

    def rule_of(self, request: Request) -> Rule | None:
        """The rule of this request; None refuses its method."""
        return self.rules.get("GET" if request.method == "HEAD" else request.method or "")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:  # noqa: FBT001, FBT002 - DRF's signature
        """The first renderer for the usual header. DRF would parse the header for each request."""
        if request.headers.get("Accept", "*/*") == "*/*":
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type or ""
        return super().perform_content_negotiation(request, force)

    def require_visible(self) -> None:
        """Raises NotFound if the caller may not see the object that the URL names.

        For a replay (``kernel.rest.idempotency``), which does not run the method.
        """

    def _admit(self, request: Request) -> None:
        try:
            caller = _authenticated(request)
        except Unauthenticated:
            throttle.check_address(
                in_context(request), group="anonymous", rate=settings.CC_THROTTLE_ANONYMOUS
            )
            raise
        self._charged = caller.identity.budget
        throttle.charge_principal(self._charged)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Add the remaining budget to every response to a charged principal, including refusals."""
        finalized = super().finalize_response(request, response, *args, **kwargs)
        if self._charged:
            retry_after = response.headers.get("Retry-After")
            for name, value in throttle.headers(self._charged, int(retry_after) if retry_after else None):
                finalized[name] = value
        return finalized

    def read(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        """The validated body. Raises Invalid with the fields at fault."""
        return validated(serializer_class, self.request.data)

    def read_query(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        """The validated query string. Raises Invalid with the parameters at fault."""
        return validated(serializer_class, self.request.query_params)

    def page[Rows: QuerySet[Any] | list[Any]](
        self,
        found: Rows,
        serializer_class: type[BaseSerializer[Any]],
        read: Callable[[Rows], Iterable[Any]] = list,
    ) -> Response:
        """One page of a deterministically ordered queryset, in two queries, or of a list. ``read`` loads its rows."""
        sent = self.request.query_params.copy()
        for name in sent.keys() - {"page", "limit"}:
            del sent[name]
        window = validated(PageQuery, sent)
        page, limit = window["page"], window["limit"]
        count = len(found) if isinstance(found, list) else found.count()
        rows = read(cast("Rows", found[(page - 1) * limit : page * limit]))
        links = {
            "next": self._page_url(page + 1) if page * limit < count else None,
            "previous": self._page_url(page - 1) if page > 1 else None,
        }
        results = serializer_class(rows, many=True, context={"view": self}).data
        body = {"count": count, "page": page, "limit": limit, **links, "results": results}
        return Response(body, headers=link_header(links))

    def _page_url(self, page: int) -> str:
        query = self.request.query_params.dict() | {"page": str(page)}
        return f"{self.request.path}?{urlencode(query)}"


class DeleteView[P: Caller](ApiView[P]):
    """Deletes the object in the URL by ``remove``, a service, which gets the URL's parameters."""

    remove: ClassVar[Callable[..., object]]

    def delete(self, _request: Request, **named: Any) -> Response:
        type(self).remove(principal=self.principal, **named)
        return Response(status=HTTPStatus.NO_CONTENT)


class DownloadView[P: Caller](ApiView[P]):
    """Sends a file, which has one media type, independent of the Accept header (RFC 9110 section 12.5.1)."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:  # noqa: ARG002, FBT001, FBT002 - DRF's signature
        return JSONRenderer(), "application/json"  # of refusals


def _authenticated(request: Request) -> Caller:
    caller = cast("Caller", request.user)
    if not caller.is_authenticated:
        raise Unauthenticated("Send an access token: Authorization: Bearer ….")
    return caller


def link_header(links: Mapping[str, str | None]) -> dict[str, str]:
    """The RFC 8288 ``Link`` header of ``next`` and ``previous``."""
    relations = {"next": "next", "previous": "prev"}
    parts = [f'<{url}>; rel="{relations[name]}"' for name, url in links.items() if url]
    return {"Link": ", ".join(parts)} if parts else {}


def validated(serializer_class: type[StrictSerializer], data: Any) -> dict[str, Any]:
    """Raises Invalid with the fields at fault."""
    serializer = blank(serializer_class)
    serializer.initial_data = data
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise invalid(error) from None
    return cast("dict[str, Any]", serializer.validated_data)
