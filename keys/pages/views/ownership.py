"""Pages that give keys another owner: one key, or all keys of a user."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.models import User
from accounts.principals import Principal
from accounts.users.services import listing
from audit.sequencing.catching_up import ShowsLog
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.pages.operations import Operation, OperationView
from kernel.rules import Rule
from keys import actions
from keys.changing import MANAGE, MAX_CHANGED
from keys.editing import ownership
from keys.lifecycle import State
from keys.models import Key
from keys.pages import services as pages
from keys.pages.forms import KeyTransferForm, TransferForm
from keys.pages.views.changing import KEY


def _facts(_view: OperationView, found: Key) -> dict[str, Any]:
    return {"key": found, "owner": pages.owner_of(found)}


TRANSFERRED: Final = replace(KEY, facts=_facts, details="keys/transfer.html", parts=frozenset())


class _TransferOperation(Operation[Key]):
    def refusal(self, found: Key) -> str:
        return "A destroyed key keeps its owner." if found.state == State.DESTROYED else ""


def _form(data: QueryDict | None, key: Key, _: Mapping[str, Any]) -> PageForm:
    return KeyTransferForm(data, former=key.owner)


TRANSFER: Final = _TransferOperation(
    slug="transfer",
    label="Transfer key",
    question="Transfer {} to another owner?",
    permission=MANAGE,
    action=actions.KEY_TRANSFERRED,
    perform=ownership.transfer_key,
    done="{} transferred.",
    form=_form,
    draft_fields=("owner", "reason"),
    icon="user",
    needs_recent_sign_in=True,
)


class TransferAllView(ShowsLog, FormView[Principal, TransferForm]):
    """The keys of one user, for example of one who leaves."""

    rules = dict.fromkeys(("GET", "POST"), Rule(MANAGE, actions.KEY_TRANSFERRED))
    section = "users"
    template = "keys/transfer_all.html"
    object_reference = ("user", "user_id")
    draft_fields = ("owner", "reason")
    needs_recent_sign_in = True

    @cached_property
    def account(self) -> User:
        return listing.get_user(principal=self.principal, user_id=self.kwargs["user_id"]).user

    def _count(self) -> int:
        return ownership.keys_to_transfer(principal=self.principal, owner=self.account.identity).count()

    def form(self, data: QueryDict | None = None) -> TransferForm:
        return TransferForm(data, former=self.account.identity)

    def show_form(self, form: TransferForm, **context: Any) -> HttpResponse:
        return self.page(form=form, account=self.account, count=self._count(), most=MAX_CHANGED, **context)

    def perform(self, form: TransferForm) -> HttpResponse:
        results = ownership.transfer_keys(
            principal=self.principal, owner=self.account.identity, **form.order()
        )
        changed = [each for each in results if each.is_changed]
        done = f"{len(changed)} key{'' if len(changed) == 1 else 's'} of {self.account.username} transferred."
        if left := [each for each in results if not each.is_changed]:
            return self.page(
                template="keys/bulk_result.html", done=done, left=left, changed=changed, unchanged=""
            )
        again = "user-transfer-keys" if self._count() else "user"
        return self.done(reverse(again, args=[self.account.id]), done)
