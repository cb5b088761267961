"""The page of the API reference."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from console import actions
from console.reference import endpoints as reference
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, Rule


class ReferenceView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.REFERENCE_READ)}
    template = "console/reference.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(
            groups=reference.groups(), problems=reference.problems(), address=settings.CC_PUBLIC_URL
        )
