"""Pages with one form."""

from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from kernel.clock import database_now
from kernel.errors import DomainError
from kernel.pages import once
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView
from kernel.rules import Caller


class FormView[P: Caller, F: PageForm](PageView[P]):
    """Shows a form, and calls a service with its input.

    ``needs_recent_sign_in``: the page requires one before the user fills in the form; the service requires it again.
    ``shown_once``: only the response contains a secret; if the same form comes again, this is the message on the page
    ``return_name``.
    """

    form_class: type[F]
    needs_recent_sign_in: ClassVar[bool] = False
    shown_once: ClassVar[str] = ""
    return_name: ClassVar[str] = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        if self.needs_recent_sign_in:
            self.principal.require_recent_sign_in(database_now())
        return self.show_form(self.show_draft(self.form()))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        if self.shown_once and once.was_accepted(request):
            return self.done(self.return_url, self.shown_once)
        form = self.form(request.POST)
        if not form.is_valid():
            return self.again(form)
        try:
            result = self.perform(form)
        except DomainError as refusal:
            return self.again(form, refusal)
        if self.shown_once:
            once.accept(request)
        return self.respond(result)

    @property
    def return_url(self) -> str:
        return reverse(self.return_name)

    def form(self, data: QueryDict | None = None) -> F:
        """The form with the submitted input, or without input."""
        return self.form_class(data)

    def perform(self, form: F) -> Any:
        """Call the service with a valid form. Raises DomainError, which the form shows. ``respond`` gets the result."""
        raise NotImplementedError

    def respond(self, result: Any) -> HttpResponse:
        """The response after the change.

        ``perform`` may return the response itself. If rendering it may raise DomainError, this method renders the result.
        """
        response: HttpResponse = result
        return response

    def show_form(self, form: F, **context: Any) -> HttpResponse:
        return self.page(form=form, **context)

    def again(self, form: F, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        """Show the form again with its errors."""
        if refusal is not None:
            form.refused(self.request, refusal)
        return self.show_form(form, status=HTTPStatus.UNPROCESSABLE_ENTITY, **context)
