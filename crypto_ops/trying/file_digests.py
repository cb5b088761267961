"""The page that signs and verifies files by their digests. The browser hashes them, so the server never gets a file."""

from functools import cached_property
from typing import Any, Final

from django.http import HttpResponse, QueryDict

from crypto_ops.requests import MAX_DIGEST_BYTES
from crypto_ops.trying.forms import TrialForm, VerifyingTrialForm
from crypto_ops.trying.services import TRIAL_LABELS, OperationChoice
from crypto_ops.trying.views import TryView
from kernel.crypto.modes import SIGNING_MODES
from kernel.errors import NotFound
from kernel.pages.forms import offer
from keys.models import Key

_MAX_BYTES: Final = 256 << 20  # the browser hashes a file in memory
_OPERATIONS: Final = ("sign", "verify")
_NO_DIGEST: Final = "This key signs whole messages only, not digests."


class _FileForm(VerifyingTrialForm):
    """``input``: the digest of the file."""

    def __init__(self, data: Any = None, *, key: Key, **kwargs: Any) -> None:
        super().__init__(data, key=key, **kwargs)
        field = self.fields["input"]
        field.label, field.help_text = (
            "Digest of the file",
            "In hexadecimal digits, as sha256sum, sha384sum or sha512sum prints it, to match the mode.",
        )
        field.widget.attrs |= {"rows": 3, "class": "mono"}
        del self.fields["input_format"]
        offer(self, "operation", [(word, TRIAL_LABELS[word]) for word in _OPERATIONS])
        offer(self, "mode", [(mode, mode) for mode in _digest_modes(key)])

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if "message" in self.body:
            self.body["digest"] = self.body.pop("message")
        return given

    def _message(self) -> str:
        return self._base64("input", MAX_DIGEST_BYTES, "hex")


class SignFileView(TryView):
    def find(self, name: str) -> Key:
        key = super().find(name)
        if key.purpose != "sign":
            raise NotFound("This page is only for keys with the purpose sign.")
        return key

    @cached_property
    def choices(self) -> list[OperationChoice]:
        reason = "" if _digest_modes(self.key) else _NO_DIGEST
        return [
            OperationChoice(choice.word, reason or choice.reason)
            for choice in super().choices
            if choice.word in _OPERATIONS
        ]

    def form(self, data: QueryDict | None = None, **kwargs: Any) -> TrialForm:
        return _FileForm(data, key=self.key, **kwargs)

    def show_form(self, form: TrialForm, **context: Any) -> HttpResponse:
        result = context.get("result")
        if result is not None and result.next_operation == "verify":
            context["openssl"] = _openssl_commands(self.key.name, result.mode, result.first.text)
        return super().show_form(form, is_of_file=True, max_bytes=_MAX_BYTES, **context)


def _openssl_commands(name: str, mode: str, signature: str) -> str:
    """Lines for a shell that verify FILE with the file of the public key. OpenSSL reads DER signatures."""
    padding = (
        " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest" if mode.startswith("rsa-pss") else ""
    )
    verify = (
        f"openssl dgst -{SIGNING_MODES[mode].digest}{padding} -verify {name}.pem -signature FILE.sig FILE"
    )
    return f"printf %s '{signature}' | base64 --decode > FILE.sig\n{verify}"


def _digest_modes(key: Key) -> list[str]:
    return [name for name in key.protecting_modes if SIGNING_MODES[name].digest]
