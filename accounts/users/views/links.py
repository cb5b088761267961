"""The public pages of links by which a user chooses a password: the first one, or another one after a reset."""

from http import HTTPStatus

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions
from accounts.models import User
from accounts.origin import Origin
from accounts.sessions.services.sessions import open_browser_session
from accounts.sessions.views import SecretFormView
from accounts.tokens.authentication import origin_of
from accounts.users.forms import ChoosePasswordForm
from accounts.users.services import invitations, password_resets
from audit.log.events import Source
from kernel.errors import DomainError, NotFound
from kernel.rules import PUBLIC, Rule


class InvitationView(SecretFormView[ChoosePasswordForm]):
    """The code is only in the path: audit events and logs omit it."""

    rules = {
        "GET": Rule(PUBLIC, actions.INVITATION_READ),
        "POST": Rule(PUBLIC, actions.INVITATION_ACCEPTED),
    }
    template = "accounts/invitation.html"

    def get(self, request: HttpRequest, link_code: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        try:
            invited = self.find_user(link_code)
        except NotFound as refusal:
            return self._closed(refusal)
        return self.page(form=ChoosePasswordForm(), invited=invited)

    def post(self, request: HttpRequest, link_code: str) -> HttpResponse:
        form = ChoosePasswordForm(request.POST)
        invited: User | None = None
        try:
            self.charge()
            invited = self.find_user(link_code)
            if not form.is_valid():
                return self.again(form, invited=invited)
            return self.use(link_code, form.cleaned_data["password"], origin_of(request, Source.CONSOLE))
        except NotFound as refusal:
            return self._closed(refusal)
        except DomainError as refusal:
            return self.again(form, refusal, invited=invited)

    def find_user(self, code: str) -> User:
        """Raises NotFound if the link opens nothing."""
        return invitations.check_invitation(code=code)

    def use(self, code: str, password: str, origin: Origin) -> HttpResponse:
        user = invitations.accept_invitation(code=code, password=password, origin=origin)
        return self.open(open_browser_session(user, "password", origin))

    def _closed(self, refusal: NotFound) -> HttpResponse:
        return self.page(status=HTTPStatus.NOT_FOUND, template="accounts/link_invalid.html", refusal=refusal)


class PasswordResetView(InvitationView):
    """It opens no session, so that the second factor is still required."""

    rules = {
        "GET": Rule(PUBLIC, actions.PASSWORD_RESET_READ),
        "POST": Rule(PUBLIC, actions.PASSWORD_RESET_USED),
    }
    template = "accounts/password_reset.html"

    def find_user(self, code: str) -> User:
        return password_resets.check_password_reset(code=code)

    def use(self, code: str, password: str, origin: Origin) -> HttpResponse:
        password_resets.use_password_reset(code=code, password=password, origin=origin)
        logout(self.request)
        return HttpResponseRedirect(f"{reverse('login')}?password-changed", status=HTTPStatus.SEE_OTHER)
