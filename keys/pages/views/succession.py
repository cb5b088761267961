"""The page that replaces a key with another one."""

from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from kernel.clock import database_now, process_now
from kernel.errors import DomainError
from kernel.rules import Rule
from keys import actions
from keys.impact import KeyAction
from keys.lifecycle import Status
from keys.models import Key
from keys.pages.views.detail import KeyView
from keys.policies.services import reading
from keys.rotation.forms import SuccessorForm
from keys.rotation.services import succession

IMPOSSIBLE: Final = "Only active and expired keys without a successor can be replaced."


class SucceedView(KeyView):
    """It cannot be undone, so the page requires a recent sign-in."""

    rules = dict.fromkeys(("GET", "POST"), Rule("keys.revoke", actions.KEY_SUCCEEDED))
    template = "keys/succeed.html"
    draft_fields = ("name", "algorithm", "policy_id", "reason")

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        key = self.find(name)
        return self._show_form(key, self.show_draft(self._form(key)))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        self.principal.require_recent_sign_in(database_now())
        key = self.find(name)
        form = self._form(key, request.POST)
        if form.is_valid():
            data = dict(form.cleaned_data)
            reason = data.pop("reason")
            try:
                new = succession.succeed_key(
                    principal=self.principal,
                    key_id=key.id,
                    successor=succession.Successor(**data),
                    reason=reason,
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key", args=[new.name]), f"{name} replaced by {new.name}.")
        return self._show_form(key, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, key: Key, data: QueryDict | None = None) -> SuccessorForm:
        policies = reading.policies_for(principal=self.principal)
        return SuccessorForm(data, key=key, policies=policies)

    def _show_form(self, key: Key, form: SuccessorForm, status: int = HTTPStatus.OK) -> HttpResponse:
        at = key.lifecycle_state(process_now())
        impact = self.impact_of(key, KeyAction.REVOKE)  # the old key ends in the same way
        return self.show(
            key,
            status=status,
            form=form,
            impossible="" if succession.may_be_succeeded(key, at) else IMPOSSIBLE,
            in_use=at.status is Status.ACTIVE and impact["forecast"].is_recent,
            **impact,
        )
