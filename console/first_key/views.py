"""The first key: create it, encrypt and decrypt with one click each, and show how a program does the same."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from console import actions
from console.first_key.forms import DecryptBackForm, FirstKeyForm
from crypto_ops.encryption.services import messages
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from crypto_ops.trying.services import DECRYPT_OFF, require_console_decrypt
from crypto_ops.trying.snippets import steps_of
from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.encoding import encode_base64
from kernel.crypto.envelope import Envelope, encode
from kernel.crypto.modes import SEALING_MODES
from kernel.errors import DomainError
from kernel.http.context import set_audit_object
from kernel.pages.curl import curl_of
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys.creation.services import create_key
from keys.reading.services import get_key

MODE = SEALING_MODES["aes-256-gcm"]


class FirstKeyPage(PageView[Principal]):
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
            log_in=steps_of("curl", kind=find_key_algorithm(MODE.key_algorithm), key_id=key_id, mode=mode)[0],
            call=curl_of("/api/v1/encrypt", {"key_id": key_id, "algorithm": mode, "data": data}),
        )


class FirstKeyView(FirstKeyPage):
    rules = {
        "GET": Rule("keys.create", actions.FIRST_KEY_READ),
        "POST": Rule("keys.create", actions.FIRST_KEY_CREATED),
    }
    template = "console/first_key.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self._show_form(FirstKeyForm(), HTTPStatus.OK)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = FirstKeyForm(request.POST)
        if form.is_valid():
            name, message = form.cleaned_data["name"], form.cleaned_data["message"]
            try:
                key = create_key(principal=self.principal, name=name, algorithm=MODE.key_algorithm)
                wanted = EncryptRequest(mode=MODE, plaintext=message.encode(), key_id=key.id)
                envelope = messages.encrypt(wanted, self.principal)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.show(envelope, message, is_decrypted=False)
        return self._show_form(form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _show_form(self, form: FirstKeyForm, status: HTTPStatus) -> HttpResponse:
        return self.page(status=status, form=form, mode=MODE.name, requires_policy=settings.CC_REQUIRE_POLICY)


class DecryptBackView(FirstKeyPage):
    rules = {"POST": Rule("crypto.decrypt", actions.FIRST_KEY_DECRYPTED)}
    template = "console/first_message_refused.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        form = DecryptBackForm(request.POST)
        if form.is_valid():
            envelope = form.cleaned_data["ciphertext"]
            set_audit_object(self.request, "key", str(envelope.key_id))
            try:
                require_console_decrypt()
                opened = messages.decrypt(DecryptRequest.of_envelope(envelope, b""), self.principal)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.show(envelope, opened.plaintext.decode(errors="replace"), is_decrypted=True)
        return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
