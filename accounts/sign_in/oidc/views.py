"""Sign in through an OpenID Connect provider: to the provider, and back."""

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions
from accounts.session_engine import drop_expired
from accounts.sessions.browser_sessions import authenticate_at, confirm_session
from accounts.sessions.views import SecretFormView
from accounts.sign_in.forms import ConfirmPasswordForm, SignInForm
from accounts.sign_in.oidc import services as oidc
from accounts.sign_in.oidc.claims import ExternalIdentity
from accounts.tokens.authentication import name_actor, origin_of
from accounts.users.services import set_up
from audit.log.events import Source
from kernel.errors import DomainError, Unavailable
from kernel.http import problems
from kernel.http.context import in_context
from kernel.pages.drafts import carried_draft, keep_draft
from kernel.pages.forms import PageForm
from kernel.pages.views import next_url, refuse
from kernel.rules import AUTHENTICATED, PUBLIC, Rule

STATE = "oidc"  # session entry: the state of a started sign-in, which works once

logger = logging.getLogger(__name__)


class _ToProviderView(SecretFormView[PageForm]):
    """Base class of the two ways to the provider. The response comes to ``CallbackView``."""

    form_class: type[PageForm] = SignInForm
    confirms = False

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            self.charge()
            url, state = oidc.begin_oidc(sign_in_again=self.confirms)
        except DomainError as refusal:
            return self._not_begun(refusal)
        if request.session.session_key is None:
            drop_expired()
        request.session[STATE] = {
            "confirms": self.confirms,
            "next": next_url(request, ""),
            "draft": carried_draft(request),
            "state": state,
        }
        response = self.page(template="accounts/oidc_leaving.html", url=url, host=urlsplit(url).hostname)
        # Not a redirect: Chromium applies the form-action of our policy to all redirects after a form.
        response["Refresh"] = f"0; url={url}"
        return response

    def _not_begun(self, refusal: DomainError) -> HttpResponse:
        _note_outage(refusal)
        form = self.form_class({})
        form.errors.clear()
        return self.again(form, refusal, through_provider=self.confirms)


class SignInThroughProviderView(_ToProviderView):
    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}
    template = "accounts/sign_in.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        if not (settings.CC_OIDC.issuer and set_up.is_set_up()):
            return HttpResponseRedirect(reverse("login"))
        return super().post(request)


class ConfirmThroughProviderView(_ToProviderView):
    """For actions that require a recent sign-in: the provider requests the person's credentials again."""

    rules = {"POST": Rule(AUTHENTICATED, actions.IDENTITY_CONFIRMED)}
    template = "accounts/confirm_identity.html"
    form_class = ConfirmPasswordForm
    confirms = True

    def post(self, request: HttpRequest) -> HttpResponse:
        if not settings.CC_OIDC.issuer:
            return HttpResponseRedirect(reverse("reauth"))
        return super().post(request)


class CallbackView(SecretFormView[PageForm]):
    """The provider's response. Its URL contains the code, so the response leads to another page at once."""

    rules = {"GET": Rule(PUBLIC, actions.SESSION_OPENED)}
    template = "accounts/oidc_refused.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if not settings.CC_OIDC.issuer:
            return HttpResponseRedirect(reverse("login"))
        self.charge()
        started = request.session.pop(STATE, {})
        confirms = bool(started.get("confirms"))
        if confirms:
            in_context(request).audit_action = actions.IDENTITY_CONFIRMED
        try:
            identity = oidc.read_oidc_response(
                state=started.get("state", {}), response=request.GET.dict(), signed_in_again=confirms
            )
            return self._confirm(identity, started) if confirms else self._enter(identity, started)
        except DomainError as refusal:
            return self._refused(refusal)

    def _enter(self, identity: ExternalIdentity, started: dict[str, Any]) -> HttpResponse:
        origin = origin_of(self.request, Source.CONSOLE)
        name_actor(self.request, origin.anonymous(identity.username))
        user = oidc.sign_in_with_oidc(identity=identity, origin=origin)
        url = started["next"] or reverse("home")
        response = self.open(user, url)
        authenticate_at(self.request, identity.authenticated_at)
        keep_draft(self.request, url, started["draft"], user.id)
        return response

    def _confirm(self, identity: ExternalIdentity, started: dict[str, Any]) -> HttpResponse:
        oidc.confirm_with_oidc(
            principal=self.principal, identity=identity, origin=origin_of(self.request, Source.CONSOLE)
        )
        confirm_session(self.request)
        return HttpResponseRedirect(started["next"] or reverse("home"), status=HTTPStatus.SEE_OTHER)

    def _refused(self, refusal: DomainError) -> HttpResponse:
        _note_outage(refusal)
        refuse(self.request, refusal)
        response = self.page(status=problems.status_of(refusal), refusal=refusal)
        response["Referrer-Policy"] = "no-referrer"  # the page's own requests would repeat the code
        return response


def _note_outage(refusal: DomainError) -> None:
    if isinstance(refusal, Unavailable):
        logger.warning("A sign-in through the identity provider failed: %s", refusal.detail)
