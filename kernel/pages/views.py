"""A page that denies by default. Every page works on its own; htmx may request it, or a part of it, instead.

The response to htmx depends on the element that it fills (``HX-Target``): ``page`` gets the content between the top
bar and the footer, ``dialog-body`` the same for the dialog, and an element listed in ``parts`` gets the template's
partial of that name. A request without htmx gets the whole page at the same URL.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import resolve, reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django_htmx.http import HttpResponseClientRedirect, HttpResponseLocation, push_url, trigger_client_event

from kernel import throttle
from kernel.actions import REQUEST_REFUSED
from kernel.errors import DomainError, RecentAuthRequired, SecondFactorRequired, Unauthenticated
from kernel.http.context import in_context, set_audit_object
from kernel.http.protocol_refusals import method_not_allowed
from kernel.pages import once
from kernel.pages.drafts import drop_draft, keep_draft, read_draft, take_draft
from kernel.rules import ENROLLING, PUBLIC, Caller, Rule
from kernel.time_zones import ZONE_COOKIE, local_times

_PAGE, DIALOG = "page", "dialog-body"
_MOST_DIGITS = len(str(2**63)) - 1  # any number with this many digits fits a bigint


class PageView[P: Caller](View):
    """One page. ``rules`` defines who may use each method; a method without a rule is refused.

    ``object_reference`` names the type of object in the URL, and the URL parameter with its id. ``section`` is the
    navigation entry of the page. ``parts`` lists the partials of its template that htmx may request alone.
    ``draft_fields`` names the form fields whose text survives a sign-in in between (``kernel.pages.drafts``): no
    secrets, no messages, and no confirmations. Its form includes ``partials/page_user.html``.
    """

    http_method_names = ["get", "head", "post"]
    rules: ClassVar[Mapping[str, Rule]] = {}
    object_reference: ClassVar[tuple[str, str]] = ("", "")
    section: ClassVar[str] = ""
    template: ClassVar[str] = ""
    parts: ClassVar[frozenset[str]] = frozenset()
    draft_fields: ClassVar[tuple[str, ...]] = ()
    has_draft = False  # whether the form shows a draft

    @property
    def principal(self) -> P:
        """The signed-in user. Raises Unauthenticated if there is none."""
        principal = known_principal(self.request)
        if principal is None:
            raise Unauthenticated("Sign in first.")
        return cast("P", principal)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            with local_times(request.COOKIES.get(ZONE_COOKIE, "")):
                return self._admit(request, **kwargs) or super().dispatch(request, *args, **kwargs)
        except SecondFactorRequired:
            return _redirect_to(request, reverse("mfa"))
        except RecentAuthRequired as refusal:
            if request.method == "POST":  # for a page that is merely opened, the redirect is enough
                refuse(request, refusal)
                draft = read_draft(request, self.draft_fields)
                keep_draft(request, request.get_full_path(), draft, self.principal.user_id)
            return _confirm_identity_first(request)

    def _admit(self, request: HttpRequest, **kwargs: Any) -> HttpResponse | None:
        """None if the caller is admitted, else a redirect. Raises Denied, Throttled."""
        context = in_context(request)
        rule = self.rules.get("GET" if request.method == "HEAD" else request.method or "")
        context.audit_action = rule.action if rule else REQUEST_REFUSED
        if rule is None:
            raise method_not_allowed(self.rules)
        if rule.permission is not PUBLIC:
            if known_principal(request) is None:
                throttle.check_address(context, group="anonymous", rate=settings.CC_THROTTLE_ANONYMOUS)
                return self._sign_in_first()
            throttle.charge_principal(self.principal.identity.budget)
            # Not earlier: otherwise the log would record any text that an anonymous caller puts into a URL as an
            # object.
            self._judge(rule, **kwargs)
        return None

    def _sign_in_first(self) -> HttpResponse:
        """Redirect to the sign-in and back. For htmx, the page remains and the sign-in opens as a dialog over it."""
        if is_htmx(self.request):
            response = HttpResponse(status=HTTPStatus.UNAUTHORIZED)
            return trigger_client_event(response, "cc:sign-in")
        path = self.request.get_full_path() if "GET" in self.rules else ""
        if draft := read_draft(self.request, self.draft_fields):
            # A redirect would lose the text. The URL name finds the view of an app that the kernel cannot import.
            response = resolve(reverse("login")).func(self.request, path=path, draft=draft)
            return cast("HttpResponse", response)
        return HttpResponseRedirect(with_next("login", path))

    def show_draft[F: Form](self, form: F) -> F:
        """Fill an unbound form with what the user typed before a sign-in in between, if they did."""
        if draft := take_draft(self.request):
            self.has_draft = True
            form.data, form.is_bound = draft, True
            form.errors.clear()  # nothing was submitted yet
        return form

    def _judge(self, rule: Rule, **kwargs: Any) -> None:
        """Raises Denied; its audit event names the object. Raises SecondFactorRequired, which is not recorded."""
        if self.principal.must_enrol and rule.permission is not ENROLLING:
            raise SecondFactorRequired
        is_denied = not all(map(self.principal.has_permission, rule.permissions))
        if is_denied or self.object_reference[0]:
            set_audit_object(self.request, *self.object_of(**kwargs))
        for permission in rule.permissions:
            self.principal.require(permission)

    def object_of(self, **kwargs: Any) -> tuple[str, str]:
        """Type and id of the object that the URL names."""
        kind, part = self.object_reference
        return kind, str(kwargs.get(part, ""))

    @property
    def form_number(self) -> str:
        """Of ``partials/form_number.html``, for a form whose response shows a secret."""
        return once.new_form_number()

    @property
    def target(self) -> str:
        """The id of the element that htmx fills with the response; "" without htmx."""
        return self.request.headers.get("HX-Target", "") if is_htmx(self.request) else ""

    @property
    def is_part(self) -> bool:
        """Whether htmx requests only a part of the page."""
        return self.target in self.parts

    def page(self, *, status: int = HTTPStatus.OK, template: str = "", **context: Any) -> HttpResponse:
        """The page, or the part of it that htmx requests."""
        template = template or self.template
        if self.is_part:
            template = f"{template}#{self.target}"
        elif self.target == DIALOG:
            context["layout"] = "layouts/dialog.html"
        elif self.target == _PAGE:
            context["layout"] = "layouts/part.html"
        if self.target in ("", _PAGE):
            drop_draft(self.request, next_url(self.request, ""))
        context["view"] = self
        response = render(self.request, template, context, status=status)
        if self.target == DIALOG:
            push_url(response, False)  # its forms are boosted and would push their own URL
        patch_vary_headers(response, ["HX-Request", "HX-Target", "Cookie"])
        return response

    def done(self, url: str, message: str = "") -> HttpResponse:
        """Redirect to ``url`` after a successful operation and show ``message`` there. For htmx, without a reload."""
        if message:
            messages.success(self.request, message)
        if is_htmx(self.request):
            return HttpResponseLocation(url, target=f"#{_PAGE}", swap="outerHTML")
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


def known_principal(request: HttpRequest) -> Caller | None:
    """The user that ``accounts.sessions.middleware`` found signed in, if any."""
    return getattr(in_context(request), "principal", None)


def is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def shown_url(request: HttpRequest) -> SplitResult:
    """The URL of the page that the browser shows when htmx sends the request. Its parts are empty for anything else."""
    try:
        return urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # any client may send the header
        return urlsplit("")


def is_poll(request: HttpRequest) -> bool:
    """Whether a page polls automatically (``data-auto-refresh``), possibly without a user present."""
    return request.headers.get("CC-Poll") == "true"


def refuse(request: HttpRequest, refusal: DomainError) -> None:
    """Attach the refusal of a request that gets another response, such as a form, for its audit event."""
    in_context(request).refusal = refusal


def _confirm_identity_first(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that asks for a factor again, and from there back to this page."""
    return _redirect_to(request, with_next("reauth", request.get_full_path()))


def _redirect_to(request: HttpRequest, url: str) -> HttpResponse:
    """Open another page instead of this one. With htmx, it replaces the whole page."""
    return HttpResponseClientRedirect(url) if is_htmx(request) else HttpResponseRedirect(url)


def with_next(name: str, path: str) -> str:
    url = reverse(name)
    return f"{url}?{urlencode({'next': path})}" if path and path != "/" else url


def next_url(request: HttpRequest, default: str) -> str:
    """The redirect target: a path of this site, or the default."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else default


def number_in(request: HttpRequest, parameter: str) -> int | None:
    """An id, a size or a count in the query string; None for anything else.

    Our links set the parameter, but anyone may change it.
    """
    text = request.GET.get(parameter, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None
