"""Finding a key, and making one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from audit.services.usage import last_uses
from ciphercanary.clock import process_now
from ciphercanary.errors import DomainError
from ciphercanary.pages import PageView, Rule
from keys import actions, services
from keys.forms import ORDERINGS, KeyFilterForm, KeyForm
from keys.services import KeyFilter

LIMIT = 50


class KeyListView(PageView[Principal]):
    rules = {"GET": Rule("keys.read", actions.KEY_LISTED)}
    section = "keys"
    template = "keys/list.html"
    parts = frozenset({"key-results", "more-keys"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = KeyFilterForm(request.GET)
        form.is_valid()
        only, ignored = _filter_of(form, request.GET)
        found = services.list_keys_after(
            principal=self.principal, only=only, after=_after(request.GET), limit=LIMIT
        )
        used, now = last_uses(key.id for key in found.keys), process_now()
        rows = [(key, key.standing(now), used.get(str(key.id))) for key in found.keys]
        return self.page(
            form=form,
            rows=rows,
            next_after=found.next_after,
            ignored=ignored,
            is_filtered=any(name in only for name in ("search", "status", "algorithm", "tag")),
            ordering=only["ordering"],
            may_create=self.principal.has_permission("keys.create"),
        )


class NewKeyView(PageView[Principal]):
    rules = {
        "GET": Rule("keys.create", actions.KEY_CREATED),
        "POST": Rule("keys.create", actions.KEY_CREATED),
    }
    section = "keys"
    template = "keys/new.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(form=KeyForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = KeyForm(request.POST)
        if form.is_valid():
            try:
                key = services.create_key(principal=self.principal, **form.cleaned_data)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key", args=[key.name]), f"Key {key.name} was created.")
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)


def _filter_of(form: KeyFilterForm, asked: Mapping[str, str]) -> tuple[KeyFilter, list[str]]:
    """What the list is narrowed to, and which parameters were ignored because they say nothing we know."""
    given: dict[str, Any] = {name: value for name, value in form.cleaned_data.items() if value}
    ordering = asked.get("ordering", "name")
    ignored = [str(form.fields[name].label or name.capitalize()) for name in form.errors]
    if ordering not in ORDERINGS:
        ordering = "name"
        ignored.append("Order")
    return cast("KeyFilter", given | {"ordering": ordering}), ignored


def _after(asked: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(asked["after"])
    except (KeyError, ValueError):
        return None
