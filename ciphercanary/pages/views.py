"""A page that denies by default. Every page is whole by itself; htmx may ask for it, or for a part of it, instead.

What htmx is given follows from the element that it is to fill (``HX-Target``): ``page`` gets what stands between
the top bar and the foot, ``dialog-body`` the same for the one dialog, and an element that ``parts`` names gets the
template's partial of that name. Whoever asks without htmx gets the whole page, at the same address.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django_htmx.http import HttpResponseClientRedirect, HttpResponseLocation, push_url, trigger_client_event

from ciphercanary import throttle
from ciphercanary.actions import REQUEST_REFUSED
from ciphercanary.errors import DomainError, RecentAuthRequired, Unauthenticated
from ciphercanary.http import in_context
from ciphercanary.problems import ProtocolError
from ciphercanary.rules import PUBLIC, Caller, Rule

PAGE, DIALOG = "page", "dialog-body"


class PageView[P: Caller](View):
    """One page. ``rules`` names for each method who may use it; a method without a rule is refused.

    ``concerns`` says what kind of object the URL names, and in which of its parts; ``section`` is the entry of the
    navigation it belongs to; ``parts`` are the partials of its template that may be asked for alone.
    """

    http_method_names = ["get", "head", "post"]
    rules: ClassVar[Mapping[str, Rule]] = {}
    concerns: ClassVar[tuple[str, str]] = ("", "")
    section: ClassVar[str] = ""
    template: ClassVar[str] = ""
    parts: ClassVar[frozenset[str]] = frozenset()

    @property
    def principal(self) -> P:
        """Whoever is signed in. Raises Unauthenticated where nobody is."""
        principal = known_principal(self.request)
        if principal is None:
            raise Unauthenticated("Sign in first.")
        return cast("P", principal)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return self._admit(request, **kwargs) or super().dispatch(request, *args, **kwargs)
        except RecentAuthRequired as refusal:
            if request.method == "POST":  # an act; a page that is only opened says so by where it leads
                refuse(request, refusal)
            return confirm_identity_first(request)

    def _admit(self, request: HttpRequest, **kwargs: Any) -> HttpResponse | None:
        """None for who may come in, else where he is sent. Raises Denied, Throttled."""
        context = in_context(request)
        rule = self.rules.get("GET" if request.method == "HEAD" else request.method or "")
        context.audit_action = rule.action if rule else REQUEST_REFUSED
        if rule is None:
            raise ProtocolError(
                "This URL does not support this HTTP method.",
                status=HTTPStatus.METHOD_NOT_ALLOWED,
                code="method_not_allowed",
                headers={"Allow": ", ".join(self.rules)},
            )
        if rule.permission is not PUBLIC:
            if known_principal(request) is None:
                throttle.check_address(context, group="anonymous", rate=settings.CC_THROTTLE_ANONYMOUS)
                return sign_in_first(request)
            throttle.charge_principal(str(self.principal.user_id))
            # Not earlier: what a stranger puts into an address would stand in the log as if it were an object.
            self._judge(rule, **kwargs)
        return None

    def _judge(self, rule: Rule, **kwargs: Any) -> None:
        """Raises Denied; the record of it names the object."""
        is_denied = isinstance(rule.permission, str) and not self.principal.has_permission(rule.permission)
        if is_denied or self.concerns[0]:
            self.concern(*self.object_of(**kwargs))
        if isinstance(rule.permission, str):
            self.principal.require(rule.permission)

    def object_of(self, **kwargs: Any) -> tuple[str, str]:
        """Kind and id of what the URL names."""
        kind, part = self.concerns
        return kind, str(kwargs.get(part, ""))

    def concern(self, object_type: str, object_id: str) -> None:
        """Name the object of the request, for the record of a refusal."""
        in_context(self.request).audit_object = (object_type, object_id)

    @property
    def target(self) -> str:
        """The id of the element that htmx fills with the answer; "" without htmx."""
        return self.request.headers.get("HX-Target", "") if is_htmx(self.request) else ""

    def page(self, *, status: int = HTTPStatus.OK, template: str = "", **context: Any) -> HttpResponse:
        """The page, or the part of it that htmx asks for."""
        template = template or self.template
        if self.target in self.parts:
            template = f"{template}#{self.target}"
        elif self.target == DIALOG:
            context["layout"] = "layouts/dialog.html"
        elif self.target == PAGE:
            context["layout"] = "layouts/part.html"
        context["view"] = self
        response = render(self.request, template, context, status=status)
        if self.target == DIALOG:
            push_url(response, False)  # its forms are boosted, and would leave their own address
        patch_vary_headers(response, ["HX-Request", "HX-Target", "Cookie"])
        return response

    def done(self, url: str, message: str = "") -> HttpResponse:
        """Leave for ``url`` after an act that succeeded, and say so there; without a reload where htmx asked."""
        if message:
            messages.success(self.request, message)
        if is_htmx(self.request):
            return HttpResponseLocation(url, target=f"#{PAGE}", swap="outerHTML")
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


def known_principal(request: HttpRequest) -> Caller | None:
    """Whoever is signed in in this browser, as ``accounts.middleware`` found him."""
    return getattr(in_context(request), "principal", None)


def is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def is_poll(request: HttpRequest) -> bool:
    """Whether a page asks by itself, from time to time (``data-polls``), and nobody need be in front of it."""
    return request.headers.get("CC-Poll") == "true"


def refuse(request: HttpRequest, refusal: DomainError) -> None:
    """Leave a refusal that a form shows on the request, where its record is made."""
    in_context(request).refusal = refusal


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the log-in and back; where htmx asks, the page stays as it is and the log-in opens over it."""
    if is_htmx(request):
        response = HttpResponse(status=HTTPStatus.UNAUTHORIZED)
        return trigger_client_event(response, "cc:sign-in")
    return HttpResponseRedirect(with_next("login", request.get_full_path() if is_read(request) else ""))


def confirm_identity_first(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a factor once more, and back to this one."""
    url = with_next("reauth", request.get_full_path())
    return HttpResponseClientRedirect(url) if is_htmx(request) else HttpResponseRedirect(url)


def is_read(request: HttpRequest) -> bool:
    return request.method in {"GET", "HEAD"}


def with_next(name: str, path: str) -> str:
    url = reverse(name)
    return f"{url}?{urlencode({'next': path})}" if path and path != "/" else url


def next_url(request: HttpRequest, default: str) -> str:
    """Where to go afterwards: a path of this site, or the default."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else default
