"""The page that starts a rewrap of all stored keys."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from console import actions
from console.key_encryption import rewraps
from console.key_encryption.keks import read_keks
from console.key_encryption.services import PERMISSION
from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView
from kernel.rules import Rule


class NewRewrapView(PageView[Principal]):
    rules = dict.fromkeys(("GET", "POST"), Rule(PERMISSION, actions.REWRAP_REQUESTED))
    section = "system"
    template = "console/rewrap_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        return self.page(form=PageForm(), keks=read_keks())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PageForm(request.POST)
        try:
            rewrap = rewraps.request_rewrap(principal=self.principal)
        except DomainError as refusal:
            form.is_valid()
            form.refused(request, refusal)
            return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form, keks=read_keks())
        return self.done(reverse("rewrap", args=[rewrap.id]), "Rewrap queued.")
