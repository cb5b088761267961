"""The page that shows the contents of a ciphertext's header. Nothing is decrypted."""

from typing import Any

from django import forms
from django.http import HttpResponse

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.deciding.services import perform
from crypto_ops.encryption.services.messages import Inspection, InspectRequest
from crypto_ops.requests import MAX_TRIED_CHARACTERS
from crypto_ops.trying.forms import UNKEPT
from crypto_ops.trying.texts import require_ciphertext
from kernel.crypto.sealing import envelope
from kernel.errors import DomainError, NotFound
from kernel.http.context import set_audit_object
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.rules import Rule
from keys.reading import services as reading


class _InspectForm(PageForm):
    ciphertext = forms.CharField(
        help_text=f"Starts with cc1. At most {MAX_TRIED_CHARACTERS // 1024} KiB.",
        widget=forms.Textarea(attrs=UNKEPT | {"rows": 8, "class": "mono"}),
    )


class InspectPageView(FormView[Principal, _InspectForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("crypto.inspect", actions.MESSAGE_INSPECTED))
    section = "keys"
    template = "crypto_ops/inspect.html"
    form_class = _InspectForm

    def perform(self, form: _InspectForm) -> HttpResponse:
        text = require_ciphertext(
            form.cleaned_data["ciphertext"], field="ciphertext", max_characters=MAX_TRIED_CHARACTERS
        )
        read = envelope.decode(text, max_length=MAX_TRIED_CHARACTERS)
        set_audit_object(self.request, "key", str(read.key_id))
        found: Inspection = perform(InspectRequest(envelope=read), self.principal)
        key = reading.get_key(principal=self.principal, key_id=found.key_id)
        return self.show_form(form, found=found, key=key)

    def again(self, form: _InspectForm, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        if isinstance(refusal, NotFound):
            form.refused(self.request, refusal, "No such key or version exists, or you cannot see the key.")
            refusal = None
        return super().again(form, refusal, **context)
