"""*Try it*: a form for one operation with a key. *Use*: how a program uses the key, in steps that run without changes.

*Try it* calls the same services as the API and stores nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import cached_property

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.deciding.services import KeyRequest, perform_measured
from crypto_ops.encryption.api import DecryptView, EncryptView
from crypto_ops.items.api import MessageView
from crypto_ops.reencryption.api import ReencryptView
from crypto_ops.reencryption.services.one_message import ReencryptRequest, reencrypt
from crypto_ops.reencryption.views import target_id
from crypto_ops.reencryption.wire import decoded, source_of
from crypto_ops.secrets.api import AgreeView, DataKeyView, DecapsulateView, DeriveView, EncapsulateView
from crypto_ops.signatures.api import CsrView, MacView, SignJwtView, SignView, VerifyMacView, VerifyView
from crypto_ops.signatures.serializers import CsrSerializer
from crypto_ops.signatures.services.csr import CsrRequest
from crypto_ops.trying import results
from crypto_ops.trying.forms import TRIED, TrialForm
from crypto_ops.trying.issuing_forms import TRIAL_FORMS
from crypto_ops.trying.results import TryResult
from crypto_ops.trying.services import (
    REVEALING,
    OperationChoice,
    console_operation_choices,
    operation_choices,
    require_console_decrypt,
)
from crypto_ops.trying.snippets import languages_of, steps_of
from kernel.crypto.errors import DecryptionFailed
from kernel.errors import DomainError, NotFound
from kernel.http.context import in_context
from kernel.pages.curl import curl_of
from kernel.pages.form_views import FormView
from kernel.pages.views import refuse
from kernel.rest.views import validated
from kernel.rules import Rule
from keys import capabilities
from keys.lifecycle import operations_of
from keys.models import Key
from keys.models.transit import transit_name_of
from keys.pages.views.detail import KeyView

_NOT_DECRYPTED: Final = (
    "Decryption failed. Check the ciphertext, the additional authenticated data and the key."
)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One operation of the page. ``view`` handles its API request, to ``path``. ``shown`` makes the output of a result."""

    view: type[MessageView | CsrView]
    path: str
    shown: Callable[[Any, Any], TryResult]

    def request(self, form: TrialForm) -> KeyRequest[Any]:
        """Raises Invalid, UnsupportedAlgorithm."""
        if not issubclass(self.view, MessageView):
            return CsrRequest(key_id=form.key.id, **validated(CsrSerializer, form.body))
        codec = self.view.codec
        # As JSON, because claims of a JWT stay undecoded.
        return codec.request(msgspec.json.decode(json.dumps(form.body), type=codec.body))


# By the purpose of the key and the operation. Re-encryption differs.
TRIALS: Final[Mapping[tuple[str, str], _Trial]] = {
    ("encrypt", "encrypt"): _Trial(EncryptView, "encrypt", results.encrypted),
    ("encrypt", "decrypt"): _Trial(DecryptView, "decrypt", results.decrypted),
    ("encrypt", "data_key"): _Trial(DataKeyView, "data-keys", results.data_key),
    ("encrypt", "derive"): _Trial(DeriveView, "derive", results.derived),
    ("sign", "sign"): _Trial(SignView, "sign", results.signed),
    ("sign", "verify"): _Trial(VerifyView, "verify", partial(results.verified, how="signed")),
    ("sign", "jwt"): _Trial(SignJwtView, "jwt/sign", results.token),
    ("sign", "csr"): _Trial(CsrView, "keys/{key_id}/csr", results.certificate_request),
    ("mac", "mac"): _Trial(MacView, "mac", results.computed),
    ("mac", "verify"): _Trial(VerifyMacView, "mac/verify", partial(results.verified, how="computed")),
    ("encapsulate", "encapsulate"): _Trial(EncapsulateView, "encapsulate", results.encapsulated),
    ("encapsulate", "decapsulate"): _Trial(
        DecapsulateView, "decapsulate", partial(results.shared, how="Decapsulated")
    ),
    ("agree", "agree"): _Trial(AgreeView, "shared-secret", partial(results.shared, how="Agreed on")),
}


# The fields of the page by those of the API, if the names differ.
_INPUT: Final = ("data", "message", "digest", "ciphertext", "encrypted_data", "iv", "tag", "public_key")
_FIELDS: Final = dict.fromkeys(_INPUT, "input") | {
    "algorithm": "mode",
    "signing_algorithm": "mode",
    "key_pair": "contents",
}
_TAKE: Final = "take"  # use a result as the next input: fill the form without performing an operation


class TryView(KeyView, FormView[Principal, TrialForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("crypto.encrypt", actions.TRIAL_OPENED))
    template = "crypto_ops/try.html"
    parts = frozenset({"try-form", "try-result"})
    tab = "try"

    def find(self, name: str) -> Key:
        key = super().find(name)
        if key.purpose == "transit":
            raise NotFound(
                f"Clients of Vault and OpenBao use this key as {transit_name_of(key)}. Its page Use it has programs."
            )
        return key

    @cached_property
    def choices(self) -> list[OperationChoice]:
        found = console_operation_choices(self.principal, self.key)
        return [choice for choice in found if choice.word in TRIED[self.key.purpose]]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _TAKE not in request.POST:
            return super().post(request, *args, **kwargs)
        form = self.form(initial=request.POST.dict())
        form.fields["input"].widget.attrs["data-focus"] = True
        return self.show_form(form)

    def form(self, data: QueryDict | None = None, **kwargs: Any) -> TrialForm:
        return TRIAL_FORMS[self.key.purpose](data, key=self.key, **kwargs)

    def perform(self, form: TrialForm) -> HttpResponse:
        operation = form.cleaned_data["operation"]
        trial = TRIALS.get((self.key.purpose, operation))
        in_context(self.request).audit_action = _action_of(trial)
        try:
            result, call = (
                _perform(trial, form, self.principal) if trial else _reencrypt(form, self.principal)
            )
        except DomainError as refusal:
            form.refused(self.request, _of_the_form(refusal), _words(refusal, operation, self.choices))
            return self.again(form)
        return self.show_form(form, result=result, call=call)

    def again(self, form: TrialForm, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        if form.unreadable is not None:  # an error of the form, but recorded as by the API
            refuse(self.request, form.unreadable)
            trial = TRIALS.get((self.key.purpose, form.cleaned_data["operation"]))
            in_context(self.request).audit_action = _action_of(trial)
        return super().again(form, refusal, **context)

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


def _action_of(trial: _Trial | None) -> str:
    view = trial.view if trial else ReencryptView
    return view.rules["POST"].action


def _perform(trial: _Trial, form: TrialForm, principal: Principal) -> tuple[TryResult, str]:
    """The result, and the same API request as a curl command. Raises the engine's refusals, and Refused."""
    wanted = trial.request(form)
    if wanted.key_id != form.key.id:
        raise DecryptionFailed  # on the page of a key, a ciphertext of another key is wrong
    if form.cleaned_data["operation"] in REVEALING:
        require_console_decrypt()
    shown = trial.shown(wanted, perform_measured(wanted, principal))
    return shown, curl_of(f"/api/v1/{trial.path.format(key_id=form.key.id)}", form.body)


def _reencrypt(form: TrialForm, principal: Principal) -> tuple[TryResult, str]:
    """As ``_perform``."""
    sent = {name: text for name, text in form.body.items() if name != "key_id"}
    source = source_of(decoded(sent), form.key.id)
    if source.key_id != form.key.id:
        raise DecryptionFailed  # as above
    wanted = ReencryptRequest(
        source=source,
        target_key_id=target_id(principal, form.key, form.cleaned_data["target"], field="target"),
        reason=form.cleaned_data["reason"],
    )
    target = wanted.target_key_id
    shown = results.reencrypted(reencrypt(wanted, principal), is_same_key=target is None)
    body = {**sent, "key_id": target and str(target), "reason": wanted.reason}
    if form.key.kind.is_foreign:
        body["source_key_id"] = str(form.key.id)
    return shown, curl_of("/api/v1/reencrypt", {name: text for name, text in body.items() if text})


def _of_the_form(refusal: DomainError) -> DomainError:
    """The same refusal, at the fields of the page."""
    refusal.fields = {
        _FIELDS.get(name, name.partition(".")[0]): found for name, found in refusal.fields.items()
    }
    return refusal


def _words(refusal: DomainError, operation: str, choices: Sequence[OperationChoice]) -> str:
    """The page's text for a refusal; "" to use the refusal's own text."""
    if isinstance(refusal, DecryptionFailed):
        return _NOT_DECRYPTED
    return next((choice.reason for choice in choices if choice.word == operation), "")


class UseView(KeyView):
    rules = {"GET": Rule("crypto.inspect", actions.SNIPPETS_READ)}
    template = "crypto_ops/use.html"
    tab = "use"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        asked = request.GET.get("lang", "")
        kind, transit_name = key.kind, transit_name_of(key)
        languages = languages_of(kind)
        language = asked if asked in languages else next(iter(languages))
        choices = operation_choices(self.principal, key)
        steps = steps_of(
            language,
            kind=kind,
            key_id=transit_name or str(key.id),
            mode=key.default_mode,
        )
        return self.show(
            key,
            languages=languages,
            language=language,
            # An imported key may lack an operation that the other steps need.
            steps=steps[:1] if capabilities.excluded_operations(key) else steps,
            closed=[choice for choice in choices if choice.reason],
            transit_name=transit_name,
            server=settings.CC_PUBLIC_URL,
            may_call=len(choices) == len(operations_of(key.algorithm, key.purpose)),
        )
