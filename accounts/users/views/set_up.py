"""Create the first administrator: where to find the link, and the page that it opens."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import actions
from accounts.errors import AlreadySetUp, SetupLinkInvalid
from accounts.principals import Principal
from accounts.sessions.services.sessions import open_browser_session
from accounts.sessions.views import SecretFormView
from accounts.tokens.authentication import origin_of
from accounts.users.forms import SetUpForm
from accounts.users.services import set_up
from audit.log.events import Source
from kernel.errors import DomainError, NotFound
from kernel.pages.views import PageView
from kernel.rules import PUBLIC, Rule


class SetUpPendingView(PageView[Principal]):
    """Shown to every visitor before an account exists. It contains no code, because anyone may open it."""

    rules = {"GET": Rule(PUBLIC, actions.SETUP_READ)}
    template = "accounts/set_up_first.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        if set_up.is_set_up():
            raise NotFound
        return self.page()


class SetUpView(SecretFormView[SetUpForm]):
    """The page of the link printed in the terminal. The code is only in the path: audit events and logs omit it."""

    rules = {"GET": Rule(PUBLIC, actions.SETUP_READ), "POST": Rule(PUBLIC, actions.USER_CREATED)}
    template = "accounts/set_up.html"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        try:
            set_up.check_setup_link(code)
        except (AlreadySetUp, SetupLinkInvalid) as refusal:
            return self._closed(refusal)
        return self.page(form=SetUpForm())

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        form = SetUpForm(request.POST)
        origin = origin_of(request, Source.CONSOLE)
        try:
            self.charge()
            set_up.check_setup_link(code)
            if not form.is_valid():
                return self.again(form)
            user = set_up.create_first_admin(code=code, origin=origin, **form.cleaned_data)
            user = open_browser_session(user, "password", origin)
        except (AlreadySetUp, SetupLinkInvalid) as refusal:
            return self._closed(refusal)
        except DomainError as refusal:
            return self.again(form, refusal)
        return self.open(user, reverse("first-key"))

    def _closed(self, refusal: DomainError) -> HttpResponse:
        if isinstance(refusal, AlreadySetUp):
            raise NotFound  # the same response as for any unknown URL
        return self.page(status=HTTPStatus.NOT_FOUND, template="accounts/set_up_first.html", refusal=refusal)
