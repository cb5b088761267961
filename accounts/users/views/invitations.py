"""The public page of an invitation: the invited user chooses a password and is signed in."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from accounts import actions
from accounts.errors import InvitationInvalid
from accounts.models import User
from accounts.sessions.services.sessions import open_browser_session
from accounts.sessions.views import SecretFormView
from accounts.tokens.authentication import origin_of
from accounts.users.forms import ChoosePasswordForm
from accounts.users.services import invitations
from audit.log.events import Source
from kernel.errors import DomainError
from kernel.rules import PUBLIC, Rule


class InvitationView(SecretFormView[ChoosePasswordForm]):
    """The code is only in the path: audit events and logs omit it."""

    rules = {
        "GET": Rule(PUBLIC, actions.INVITATION_READ),
        "POST": Rule(PUBLIC, actions.INVITATION_ACCEPTED),
    }
    template = "accounts/invitation.html"

    def get(self, request: HttpRequest, invitation_code: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        try:
            invited = invitations.check_invitation(code=invitation_code)
        except InvitationInvalid as refusal:
            return self._closed(refusal)
        return self.page(form=ChoosePasswordForm(), invited=invited)

    def post(self, request: HttpRequest, invitation_code: str) -> HttpResponse:
        form = ChoosePasswordForm(request.POST)
        origin = origin_of(request, Source.CONSOLE)
        invited: User | None = None
        try:
            self.charge()
            invited = invitations.check_invitation(code=invitation_code)
            if not form.is_valid():
                return self.again(form, invited=invited)
            user = invitations.accept_invitation(code=invitation_code, origin=origin, **form.cleaned_data)
            user = open_browser_session(user, "password", origin)
        except InvitationInvalid as refusal:
            return self._closed(refusal)
        except DomainError as refusal:
            return self.again(form, refusal, invited=invited)
        return self.open(user)

    def _closed(self, refusal: InvitationInvalid) -> HttpResponse:
        return self.page(
            status=HTTPStatus.NOT_FOUND, template="accounts/invitation_invalid.html", refusal=refusal
        )
