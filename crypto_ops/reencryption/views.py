"""The page that begins a re-encryption of stored data. The page of the job shows its report, and how to send the data."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.models import Reencryption
from crypto_ops.reencryption.services.jobs import PERMISSION, begin_reencryption
from crypto_ops.requests import MAX_TOTAL
from kernel.errors import Invalid, NotFound
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.rules import Rule
from keys.models import Key
from keys.pages.views.detail import KeyView
from keys.reading import services as reading


def target_id(principal: Principal, key: Key, name: str, *, field: str) -> UUID | None:
    """The ID of another key by its name; None for the key itself. Raises Invalid, at the ``field`` of a page."""
    if name in {"", key.name}:
        return None
    try:
        return reading.find_key(principal=principal, name=name).id
    except NotFound:
        raise Invalid.of_field(field, "This key does not exist, or you cannot see it.") from None


class _ReencryptionForm(PageForm):
    target_key_id = forms.CharField(
        required=False,
        label="Target key (optional)",
        help_text="Enter the name of another key. Leave empty to use the primary version of this key.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    total = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TOTAL,
        label="Number of ciphertexts (optional)",
        help_text="The job shows its progress towards this number.",
    )
    reason = forms.CharField(
        required=False,
        label="Reason",
        help_text="Required if the key is compromised: explain why its messages can be trusted. Recorded in the audit log.",
    )


class NewReencryptionView(KeyView, FormView[Principal, _ReencryptionForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule(PERMISSION, actions.REENCRYPTION_BEGUN))
    template = "crypto_ops/reencryption_new.html"
    tab = "versions"
    form_class = _ReencryptionForm
    draft_fields = tuple(form_class.base_fields)

    def find(self, name: str) -> Key:
        key = super().find(name)
        if key.purpose != "encrypt":
            raise NotFound("Only keys with the purpose encrypt have ciphertexts.")
        return key

    def perform(self, form: _ReencryptionForm) -> Reencryption:
        given = form.cleaned_data
        return begin_reencryption(
            principal=self.principal,
            key_id=self.key.id,
            target_key_id=target_id(self.principal, self.key, given["target_key_id"], field="target_key_id"),
            total=given["total"],
            reason=given["reason"],
        )

    def respond(self, result: Reencryption) -> HttpResponse:
        return self.done(reverse("reencryption-job", args=[result.id]), "Re-encryption begun.")

    def show_form(self, form: _ReencryptionForm, **context: Any) -> HttpResponse:
        return self.show(self.key, form=form, **context)
