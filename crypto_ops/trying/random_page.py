"""The page that generates random bytes."""

from typing import Final

from django import forms
from django.http import HttpResponse

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.requests import MAX_RANDOM_BYTES
from crypto_ops.secrets.services.random_bytes import generate_random
from crypto_ops.trying.texts import FORMATS, shown_as
from kernel.pages.curl import curl_of
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.rules import Rule

_DEFAULT_BYTES: Final = 32


class _RandomForm(PageForm):
    bytes = forms.IntegerField(
        label="Number of bytes",
        min_value=1,
        max_value=MAX_RANDOM_BYTES,
        initial=_DEFAULT_BYTES,
        help_text=f"1 to {MAX_RANDOM_BYTES:,}.",
    )
    format = forms.ChoiceField(choices=[(form, FORMATS[form]) for form in ("base64", "hex")])


class RandomPageView(FormView[Principal, _RandomForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("crypto.random", actions.RANDOM_GENERATED))
    section = "keys"
    template = "crypto_ops/random.html"
    form_class = _RandomForm

    def perform(self, form: _RandomForm) -> HttpResponse:
        wanted = form.cleaned_data
        content = generate_random(wanted["bytes"], self.principal)
        return self.show_form(
            form, data=shown_as(content, wanted["format"]), call=curl_of("/api/v1/random", wanted)
        )
