"""The caller's sessions, and signing them out."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions
from accounts.principals import Principal
from accounts.sessions.devices import device_words
from accounts.sessions.forms import EndSessionForm
from accounts.sessions.services import own_sessions
from accounts.sessions.services.own_sessions import OwnSession
from kernel.errors import DomainError
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, Rule


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list: a session, and its device in words."""

    session: OwnSession
    device: str


class SessionsView(PageView[Principal]):
    rules = {
        "GET": Rule(AUTHENTICATED, actions.SESSION_LISTED),
        "POST": Rule(AUTHENTICATED, actions.SESSION_REVOKED),
    }
    section = "account"
    template = "accounts/sessions.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self._show(EndSessionForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = EndSessionForm(request.POST)
        if form.is_valid():
            try:
                return self._end(form.cleaned_data["session"])
            except DomainError as refusal:
                form.refused(request, refusal)
        return self._show(form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _end(self, which: UUID | None) -> HttpResponse:
        """End one session, or all other sessions if ``which`` is None."""
        if which is None:
            count = own_sessions.end_other_sessions(principal=self.principal)
            words = {0: "There are no other sessions.", 1: "Signed out of 1 other session."}
            return self.done(reverse("sessions"), words.get(count, f"Signed out of {count} other sessions."))
        own_sessions.end_session(principal=self.principal, session_id=which)
        if which == self.principal.browser_session_id:
            logout(self.request)
            return HttpResponseRedirect(f"{reverse('login')}?signed-out", status=HTTPStatus.SEE_OTHER)
        return self.done(reverse("sessions"), "Session signed out.")

    def _show(self, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        found = own_sessions.list_sessions(principal=self.principal)
        lines = [Line(each, device_words(each.user_agent)) for each in found]
        return self.page(status=status, form=form, lines=lines)
