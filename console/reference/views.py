"""The pages of the API reference."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django_htmx.http import push_url

from accounts.principals import Principal
from console import actions
from console.reference import calls
from console.reference import endpoints as reference
from console.reference.forms import CallForm, EndpointFilterForm
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, Rule

_READ = Rule(AUTHENTICATED, actions.REFERENCE_READ)


class ReferenceView(PageView[Principal]):
    rules = {"GET": _READ}
    template = "console/reference.html"
    parts = frozenset({"reference-results"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = EndpointFilterForm.read(request.GET)
        search = form.given.get("search", "")
        response = self.page(
            form=form,
            search=search,
            groups=reference.matching(search),
            problems=reference.problems(),
        )
        if self.is_part:
            push_url(response, form.address(reverse("reference")))
        return response


class GroupView(PageView[Principal]):
    rules = {"GET": _READ}
    template = "console/reference_group.html"

    def get(self, request: HttpRequest, group: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(group=reference.find_group(group))


class CallView(PageView[Principal]):
    """Calls an endpoint that only reads, as the user. The values are in the body, so no URL of the console has them."""

    rules = {"GET": _READ, "POST": _READ}
    template = "console/reference_call.html"

    def get(self, request: HttpRequest, endpoint: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        group, found = reference.find_read(endpoint)
        return self.page(group=group, each=found, form=CallForm(found))

    def post(self, request: HttpRequest, endpoint: str) -> HttpResponse:
        group, found = reference.find_read(endpoint)
        form = CallForm(found, request.POST)
        if not form.is_valid():
            return self.page(group=group, each=found, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        response = calls.read(request, form.path(), form.query())
        status = HTTPStatus(response.status_code)
        return self.page(
            group=group, each=found, form=form, answer_status=status, answer=calls.text_of(response)
        )
