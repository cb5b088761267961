"""The operation that replaces a key with another one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from django.http import HttpResponse, QueryDict
from django.urls import reverse

from accounts.principals import Principal
from kernel.clock import process_now
from kernel.pages.forms import PageForm
from kernel.pages.operations import Operation, OperationView
from kernel.pages.views import PageView
from keys import actions
from keys.impact import KeyAction
from keys.lifecycle import Status
from keys.models import Key
from keys.pages.views.changing import KEY
from keys.pages.views.detail import impact_of
from keys.policies.services import reading
from keys.rotation.forms import SuccessorForm
from keys.rotation.services import succession

_IMPOSSIBLE: Final = "Only active and expired keys without a successor can be replaced."


def _facts(view: OperationView, found: Key) -> dict[str, Any]:
    at = found.lifecycle_state(process_now())
    impact = impact_of(view.principal, found, KeyAction.REVOKE)  # the old key ends in the same way
    in_use = at.status is Status.ACTIVE and impact["forecast"].is_recent
    button = "primary danger" if in_use else "primary"
    policies = reading.policies_for(principal=view.principal)
    return {"key": found, "at": at, "in_use": in_use, "button": button, "policies": policies, **impact}


SUCCEEDED: Final = replace(KEY, facts=_facts, details="keys/succeed.html", parts=frozenset())


class _SucceedOperation(Operation[Key]):
    def refusal(self, found: Key) -> str:
        if found.purpose == "transit":
            return succession.TRANSIT
        may_be = succession.may_be_succeeded(found, found.lifecycle_state(process_now()))
        return "" if may_be else _IMPOSSIBLE


def _form(data: QueryDict | None, key: Key, facts: Mapping[str, Any]) -> PageForm:
    return SuccessorForm(data, key=key, policies=facts["policies"])


def _show_successor(view: PageView[Principal], key: Key, new: Key) -> HttpResponse:
    return view.done(reverse("key", args=[new.name]), f"{key.name} replaced by {new.name}.")


SUCCEED: Final = _SucceedOperation(
    slug="succeed",
    label="Replace key",
    question="Replace {}?",
    permission="keys.revoke",
    action=actions.KEY_SUCCEEDED,
    perform=succession.succeed_key,
    form=_form,
    draft_fields=("name", "algorithm", "policy_id", "reason"),
    respond=_show_successor,
    needs_recent_sign_in=True,
)
