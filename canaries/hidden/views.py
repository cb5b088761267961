"""Base classes of the views behind ``HiddenRoutes``, which has admitted the officer.

They charge no budget, keep no draft and show no message: each of these would be seen outside of the set.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request

from accounts.principals import Principal
from kernel.actions import REQUEST_REFUSED
from kernel.clock import database_now
from kernel.http.context import in_context
from kernel.http.protocol_refusals import method_not_allowed
from kernel.pages.views import PageView
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, Rule

OFFICER: Final = Rule(AUTHENTICATED, REQUEST_REFUSED)  # the action is never recorded
_READS = frozenset({"GET", "HEAD"})


class _AdmittedOfficer(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal, None]:
        return in_context(request).principal, None  # type: ignore[attr-defined]  # set by ``HiddenRoutes``


class OfficerApiView(ApiView[Principal]):
    """One endpoint. All methods but GET require a recent sign-in."""

    authentication_classes = [_AdmittedOfficer]

    @property
    def officer_id(self) -> str:
        return str(self.principal.user_id)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - DRF's signature
        self.format_kwarg = self.get_format_suffix(**kwargs)
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if self.rule_of(request) is None:
            raise MethodNotAllowed(request.method or "")
        if request.method not in _READS:
            self.principal.require_recent_sign_in(database_now())


class OfficerPageView(PageView[Principal]):
    """One page. A POST requires a recent sign-in."""

    rules: ClassVar[Mapping[str, Rule]] = {"GET": OFFICER}
    section = "canaries"

    @property
    def officer_id(self) -> str:
        return str(self.principal.user_id)

    def _admit(self, request: HttpRequest, **kwargs: Any) -> HttpResponse | None:  # noqa: ARG002 - the base class's signature
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method not in self.rules:
            raise method_not_allowed(self.rules)
        if method == "POST":
            self.principal.require_recent_sign_in(database_now())
        return None

    def done(self, url: str, message: str = "") -> HttpResponse:  # noqa: ARG002 - the base class's signature
        return super().done(url)
