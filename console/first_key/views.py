"""The first key: create it, encrypt and decrypt with one click each, and show how a program does the same."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse

from accounts.principals import Principal
from console import actions
from console.first_key.forms import DecryptBackForm, FirstKeyForm
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from crypto_ops.trying.services import DECRYPT_OFF, require_console_decrypt
from crypto_ops.trying.snippets import steps_of
from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.encoding import encode_base64
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.envelope import Envelope, encode
from kernel.http.context import set_audit_object
from kernel.pages.curl import curl_of
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys.creation.services import create_key
from keys.reading.services import get_key

_MODE = SEALING_MODES["aes-256-gcm"]


class _FirstKeyPage(PageView[Principal]):
    section = "keys"

    def show(self, envelope: Envelope, message: str, *, is_decrypted: bool) -> HttpResponse:
        """The ciphertext, the possible next steps, and the API call that creates such a ciphertext."""
        key_id, mode, data = str(envelope.key_id), envelope.mode.name, encode_base64(message.encode())
        return self.page(
            template="console/first_message.html",
            key=get_key(principal=self.principal, key_id=envelope.key_id),
            ciphertext=encode(envelope),
            message=message,
            data=data,
            is_decrypted=is_decrypted,
            decrypt_off="" if settings.CC_CONSOLE_DECRYPT else DECRYPT_OFF,
            step=steps_of("curl", kind=find_key_algorithm(_MODE.key_algorithm), key_id=key_id, mode=mode)[0],
            call=curl_of("/api/v1/encrypt", {"key_id": key_id, "algorithm": mode, "data": data}),
        )


class FirstKeyView(_FirstKeyPage, FormView[Principal, FirstKeyForm]):
    rules = {
        "GET": Rule("keys.create", actions.FIRST_KEY_READ, also="crypto.encrypt"),
        "POST": Rule("keys.create", actions.FIRST_KEY_CREATED, also="crypto.encrypt"),
    }
    template = "console/first_key.html"
    form_class = FirstKeyForm

    def perform(self, form: FirstKeyForm) -> tuple[Envelope, str]:
        name, message = form.cleaned_data["name"], form.cleaned_data["message"]
        key = create_key(principal=self.principal, name=name, algorithm=_MODE.key_algorithm)
        wanted = EncryptRequest(mode=_MODE, plaintext=message.encode(), key_id=key.id)
        return perform_measured(wanted, self.principal), message

    def respond(self, result: tuple[Envelope, str]) -> HttpResponse:
        return self.show(*result, is_decrypted=False)

    def show_form(self, form: FirstKeyForm, **context: Any) -> HttpResponse:
        return self.page(form=form, mode=_MODE.name, requires_policy=settings.CC_REQUIRE_POLICY, **context)


class DecryptBackView(_FirstKeyPage, FormView[Principal, DecryptBackForm]):
    rules = {"POST": Rule("crypto.decrypt", actions.FIRST_KEY_DECRYPTED)}
    template = "console/first_message_refused.html"
    form_class = DecryptBackForm

    def perform(self, form: DecryptBackForm) -> tuple[Envelope, str]:
        envelope = form.envelope()
        set_audit_object(self.request, "key", str(envelope.key_id))
        require_console_decrypt()
        opened = perform_measured(DecryptRequest.of_envelope(envelope, b""), self.principal)
        return envelope, opened.plaintext.decode(errors="replace")

    def respond(self, result: tuple[Envelope, str]) -> HttpResponse:
        return self.show(*result, is_decrypted=True)
