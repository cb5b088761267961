"""*Try it*: a form for one operation with a key. *Use*: how a program uses the key, in steps that run without changes.

*Try it* calls the same services as the API and stores nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import cached_property

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import DecryptRequest, EncryptRequest
from crypto_ops.reencryption.services import one_message
from crypto_ops.reencryption.services.one_message import ReencryptRequest
from crypto_ops.secrets.services.shared_secrets import AgreeRequest, DecapsulateRequest, EncapsulateRequest
from crypto_ops.signatures.services.macs import MacRequest, VerifyMacRequest
from crypto_ops.signatures.services.signatures import SignRequest, VerifyRequest
from crypto_ops.trying import results
from crypto_ops.trying.forms import TRIAL_FORMS, TRIED, TrialForm
from crypto_ops.trying.results import TryResult
from crypto_ops.trying.services import (
    OperationChoice,
    console_operation_choices,
    operation_choices,
    require_console_decrypt,
)
from crypto_ops.trying.snippets import LANGUAGES, steps_of
from kernel.crypto import envelope
from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.errors import DecryptionFailed
from kernel.crypto.modes import find_sealing_mode, find_signing_mode
from kernel.errors import DomainError, Invalid, NotFound
from kernel.http.context import in_context
from kernel.pages.form_views import FormView
from kernel.rules import Rule
from keys import capabilities
from keys.lifecycle import operations_of
from keys.models import Key
from keys.pages.views.detail import KeyView
from keys.reading import services

NOT_DECRYPTED: Final = "Decryption failed. Check the ciphertext, the associated data and the key."


# By the purpose of the key and the operation.
ACTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("encrypt", "encrypt"): actions.MESSAGE_ENCRYPTED,
    ("encrypt", "decrypt"): actions.MESSAGE_DECRYPTED,
    ("encrypt", "reencrypt"): actions.MESSAGE_REENCRYPTED,
    ("sign", "sign"): actions.MESSAGE_SIGNED,
    ("sign", "verify"): actions.SIGNATURE_VERIFIED,
    ("mac", "mac"): actions.MAC_COMPUTED,
    ("mac", "verify"): actions.MAC_VERIFIED,
    ("encapsulate", "encapsulate"): actions.ENCAPSULATED,
    ("encapsulate", "decapsulate"): actions.DECAPSULATED,
    ("agree", "agree"): actions.AGREED,
}


TAKE: Final = "take"  # use a result as the next input: fill the form without performing an operation


class TryView(KeyView, FormView[Principal, TrialForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("crypto.encrypt", actions.TRIAL_OPENED))
    template = "crypto_ops/try.html"
    parts = frozenset({"try-form", "try-result"})
    tab = "try"

    @cached_property
    def choices(self) -> list[OperationChoice]:
        found = console_operation_choices(self.principal, self.key)
        return [choice for choice in found if choice.word in TRIED[self.key.purpose]]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if TAKE not in request.POST:
            return super().post(request, *args, **kwargs)
        form = TRIAL_FORMS[self.key.purpose](key=self.key, initial=request.POST.dict())
        form.fields["input"].widget.attrs["data-focus"] = True
        return self.show_form(form)

    def form(self, data: QueryDict | None = None) -> TrialForm:
        return TRIAL_FORMS[self.key.purpose](data, key=self.key)

    def perform(self, form: TrialForm) -> HttpResponse:
        operation = form.cleaned_data["operation"]
        in_context(self.request).audit_action = ACTIONS[self.key.purpose, operation]
        try:
            result = _perform(form.cleaned_data, self.key, self.principal)
        except DomainError as refusal:
            form.refused(self.request, _of_the_form(refusal), _words(refusal, operation, self.choices))
            return self.again(form)
        return self.show_form(form, result=result)

    def show_form(self, form: TrialForm, **context: Any) -> HttpResponse:
        available = [choice.word for choice in self.choices if not choice.reason]
        asked = form["operation"].value()
        return self.show(
            self.key,
            form=form,
            choices=self.choices,
            chosen=asked if asked in available else next(iter(available), ""),
            available=available,
            **context,
        )


def _perform(given: Mapping[str, Any], key: Key, principal: Principal) -> TryResult:
    """Perform the requested operation with the engine. Raises the engine's refusals, and Refused."""
    perform = _PERFORM.get(key.purpose, _perform_sealing)
    return perform(given, key, principal)


def _perform_sealing(given: Mapping[str, Any], key: Key, principal: Principal) -> TryResult:
    if given["operation"] == "encrypt":
        mode = find_sealing_mode(given["mode"] or key.default_mode)
        encrypting = EncryptRequest(
            mode=mode, plaintext=given["octets"], key_id=key.id, aad=given["aad_octets"]
        )
        return results.encrypted(encrypting, perform_measured(encrypting, principal))
    sent = given["envelope"]
    if sent.key_id != key.id:
        raise DecryptionFailed  # on the page of a key, a ciphertext of another key is wrong
    if given["operation"] == "reencrypt":
        reencrypting = ReencryptRequest(
            envelope=sent,
            target_key_id=_target(given["target"], key, principal),
            aad=given["aad_octets"],
            reason=given["reason"],
        )
        return results.reencrypted(reencrypting, one_message.reencrypt(reencrypting, principal))
    require_console_decrypt()
    decrypting = DecryptRequest.of_envelope(sent, given["aad_octets"])
    return results.decrypted(decrypting, envelope.encode(sent), perform_measured(decrypting, principal))


def _perform_signature(given: Mapping[str, Any], key: Key, principal: Principal) -> TryResult:
    mode = find_signing_mode(given["mode"] or key.default_mode)
    if given["operation"] == "sign":
        signing = SignRequest(mode=mode, key_id=key.id, message=given["octets"])
        return results.signed(signing, perform_measured(signing, principal))
    verifying = VerifyRequest(
        mode=mode, key_id=key.id, message=given["octets"], signature=given["proof_octets"]
    )
    return results.verified(verifying, perform_measured(verifying, principal))


def _perform_mac(given: Mapping[str, Any], key: Key, principal: Principal) -> TryResult:
    if given["operation"] == "mac":
        computing = MacRequest(key_id=key.id, message=given["octets"])
        return results.computed(computing, perform_measured(computing, principal))
    verifying = VerifyMacRequest(key_id=key.id, message=given["octets"], mac=given["proof_octets"])
    return results.mac_verified(verifying, perform_measured(verifying, principal))


def _perform_with_secret(given: Mapping[str, Any], key: Key, principal: Principal) -> TryResult:
    if given["operation"] == "encapsulate":
        encapsulating = EncapsulateRequest(key_id=key.id)
        return results.encapsulated(encapsulating, perform_measured(encapsulating, principal))
    require_console_decrypt()
    number = given["key_version"]
    if given["operation"] == "decapsulate":
        decapsulating = DecapsulateRequest(key_id=key.id, key_version=number, ciphertext=given["octets"])
        return results.decapsulated(decapsulating, perform_measured(decapsulating, principal))
    agreeing = AgreeRequest(key_id=key.id, public_key=given["octets"], key_version=number)
    return results.agreed(agreeing, perform_measured(agreeing, principal))


_PERFORM: Final = {
    "sign": _perform_signature,
    "mac": _perform_mac,
    "encapsulate": _perform_with_secret,
    "agree": _perform_with_secret,
}


def _target(name: str, key: Key, principal: Principal) -> Any:
    """The id of another key; None for the same key. Raises Invalid."""
    if name in {"", key.name}:
        return None
    try:
        return services.find_key(principal=principal, name=name).id
    except NotFound:
        raise Invalid.of_field("target", "This key does not exist, or you cannot see it.") from None


def _of_the_form(refusal: DomainError) -> DomainError:
    """The refusal of a field of the API that the page calls ``input``."""
    if isinstance(refusal, Invalid) and len(refusal.fields) == 1:
        [(field, [message])] = refusal.fields.items()
        if field in {"data", "ciphertext", "public_key"}:
            return Invalid.of_field("input", message)
    return refusal


def _words(refusal: DomainError, operation: str, choices: Sequence[OperationChoice]) -> str:
    """The page's text for a refusal; "" to use the refusal's own text."""
    if isinstance(refusal, DecryptionFailed):
        return NOT_DECRYPTED
    return next((choice.reason for choice in choices if choice.word == operation), "")


class UseView(KeyView):
    rules = {"GET": Rule("crypto.inspect", actions.SNIPPETS_READ)}
    template = "crypto_ops/use.html"
    tab = "use"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        asked = request.GET.get("lang", "")
        language = asked if asked in LANGUAGES else next(iter(LANGUAGES))
        choices = operation_choices(self.principal, key)
        steps = steps_of(
            language,
            kind=find_key_algorithm(key.algorithm, key.purpose),
            key_id=str(key.id),
            mode=key.default_mode,
        )
        return self.show(
            key,
            languages=LANGUAGES,
            language=language,
            # An imported key may lack an operation that the other steps need.
            steps=steps[:1] if capabilities.excluded_operations(key) else steps,
            closed=[choice for choice in choices if choice.reason],
            may_call=len(choices) == len(operations_of(key.algorithm, key.purpose)),
        )
