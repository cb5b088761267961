"""Pages that change the keys that were chosen in the list."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.holders import list_holders
from accounts.models.roles import list_rights
from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from audit.usage.of_key import end_of_gap
from audit.usage.queries import last_uses
from kernel.clock import process_now
from kernel.pages.form_views import FormView
from kernel.rules import Rule
from keys import actions
from keys.access import services as access
from keys.changing import MANAGE, MAX_CHANGED, KeyResult
from keys.editing import services as editing
from keys.editing.services import KeyUpdate
from keys.lifecycle import LifecycleState, Status
from keys.models import Key
from keys.pages.forms import (
    ChosenForm,
    DisableChosenForm,
    GrantChosenForm,
    PolicyChosenForm,
    RotateChosenForm,
    RotationChosenForm,
    TagChosenForm,
    read_chosen,
    write_chosen,
)
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading
from keys.rotation.services import chosen
from keys.states import services as states
from keys.usage.services import callers
from keys.usage.services.forecasts import is_recent

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class _BulkAct:
    """An action of the list on the selected keys. ``question`` begins the heading of its page."""

    url_name: str
    label: str
    icon: str
    permission: str
    question: str


_ROTATE: Final = _BulkAct("keys-bulk", "Rotate", "rotate-cw", "keys.rotate", "Rotate")
_TAG: Final = _BulkAct("keys-bulk-tag", "Tag", "tag", "keys.update", "Tag")
_DISABLE: Final = _BulkAct("keys-bulk-disable", "Disable", "circle-pause", "keys.disable", "Disable")
_POLICY: Final = _BulkAct("keys-bulk-policy", "Policy", "shield-check", "keys.update", "Set the policy of")
_ROTATION: Final = _BulkAct(
    "keys-bulk-rotation", "Rotation period", "clock", "keys.update", "Set the rotation period of"
)
_GRANT: Final = _BulkAct("keys-bulk-grant", "Grant", "users", MANAGE, "Grant access to")
BULK_ACTS: Final = (_ROTATE, _TAG, _DISABLE, _POLICY, _ROTATION, _GRANT)


def _rules(act: _BulkAct, action: str) -> Mapping[str, Rule]:
    return dict.fromkeys(("GET", "POST"), Rule(act.permission, action))


class _BulkView[F: ChosenForm](ShowsLog, FormView[Principal, F]):
    """The first POST comes from the list and only shows the chosen keys. The second one has ``chosen``.

    ``versions`` are the primary versions that the page showed. ``shows`` is the fact about each key on the page.
    ``unchanged``: why a key without an error did not change.
    """

    act: ClassVar[_BulkAct]
    section = "keys"
    template = "keys/bulk.html"
    effect: ClassVar[str] = ""
    button: ClassVar[str] = "Save"
    shows: ClassVar[str] = ""
    unchanged: ClassVar[str] = "It already was as requested."
    most: ClassVar[int] = MAX_CHANGED
    keys: Sequence[Key]
    versions: Mapping[UUID, int]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        form = self.show_draft(self.form_class())
        self._find(read_chosen(form.data.get("chosen", "")))
        self.fit(form)
        return self.show_form(form)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "chosen" not in request.POST:
            self._find(_ids(request.POST.getlist("key")))
            return self.show_form(self.form())
        self.versions = read_chosen(request.POST["chosen"])
        self._find(self.versions)
        return super().post(request, *args, **kwargs) if self.keys else self.again(self.form(request.POST))

    def form(self, data: QueryDict | None = None) -> F:
        form = self.form_class(data, initial={"chosen": write_chosen(self.keys)})
        self.fit(form)
        return form

    def fit(self, form: F) -> None:
        """Adapt the form to the keys."""

    def _find(self, key_ids: Iterable[UUID]) -> None:
        self.keys = reading.list_chosen(principal=self.principal, key_ids=key_ids)

    def with_state(self) -> list[tuple[Key, LifecycleState]]:
        now = process_now()
        return [(key, key.lifecycle_state(now)) for key in self.keys]

    def show_form(self, form: F, **context: Any) -> HttpResponse:
        count, gap = len(self.keys), end_of_gap()
        shown = self.with_state()[:_SHOWN]
        used = last_uses(key.id for key, _ in shown) if self.shows == "Last used" else {}
        rows = [(key, at, used.get(str(key.id)), callers.unrecorded_before(key, gap)) for key, at in shown]
        return self.page(form=form, rows=rows, more=max(count - _SHOWN, 0), count=count, **context)

    def finish(self, results: Sequence[KeyResult], done: Callable[[str], str]) -> HttpResponse:
        """Show the result of each key if one of them did not change. ``done`` makes a sentence about the others."""
        left = [each for each in results if not each.is_changed]
        changed = [each for each in results if each.is_changed]
        text = done(_keys(len(changed)))
        if not left:
            return self.done(reverse("keys"), text)
        return self.page(
            template="keys/bulk_result.html", done=text, left=left, changed=changed, unchanged=self.unchanged
        )


class BulkRotateView(_BulkView[RotateChosenForm]):
    act = _ROTATE
    rules = _rules(_ROTATE, actions.ROTATION_JOB_REQUESTED)
    template = "keys/bulk_rotate.html"
    form_class = RotateChosenForm
    draft_fields = ("chosen", "reason")
    unchanged = "It is not active."

    def show_form(self, form: RotateChosenForm, **context: Any) -> HttpResponse:
        active = [key for key, at in self.with_state() if at.status is Status.ACTIVE]
        context |= {"active": len(active), "skipped": len(self.keys) - len(active)}
        return super().show_form(form, is_job=chosen.rotates_by_job(active), **context)

    def perform(self, form: RotateChosenForm) -> HttpResponse:
        rotation = chosen.rotate_chosen(
            principal=self.principal,
            keys=self.keys,
            versions=self.versions,
            reason=form.cleaned_data["reason"],
        )
        if rotation.job is not None:
            message = f"Rotation of {_keys(rotation.job.total or 0)} queued."
            return self.done(reverse("rotation-job", args=[rotation.job.id]), message)
        tried = {each.key.id for each in rotation.results}
        results = [
            *(KeyResult(each.key, each.error is None, each.error) for each in rotation.results),
            *(KeyResult(key, is_changed=False) for key in self.keys if key.id not in tried),
        ]
        return self.finish(results, lambda keys: f"{keys} rotated.")


class BulkTagView(_BulkView[TagChosenForm]):
    act = _TAG
    rules = _rules(_TAG, actions.KEY_UPDATED)
    form_class = TagChosenForm
    draft_fields = ("chosen", "change", "tag")
    effect = (
        "A key that already has the tag to add, or does not have the tag to remove, does not change. Grants on a tag "
        "apply to all keys with this tag."
    )
    button = "Change tags"
    shows = "Tags"

    def perform(self, form: TagChosenForm) -> HttpResponse:
        tag, adds = form.cleaned_data["tag"], form.cleaned_data["change"] == "add"
        results = editing.change_tag(principal=self.principal, keys=self.keys, tag=tag, adds=adds)
        return self.finish(
            results, lambda keys: f"Tag {tag} {'added to' if adds else 'removed from'} {keys}."
        )


class BulkDisableView(_BulkView[DisableChosenForm]):
    act = _DISABLE
    rules = _rules(_DISABLE, actions.KEY_DISABLED)
    form_class = DisableChosenForm
    draft_fields = ("chosen", "reason")
    effect = (
        "All requests that use these keys fail until you enable the keys again, including requests for existing data. "
        "Keys that are not active do not change."
    )
    button = "Disable keys"
    shows = "Last used"

    @cached_property
    def in_use(self) -> int:
        """The number of active keys that were used in the last 7 days."""
        active = [key.id for key, at in self.with_state() if at.status is Status.ACTIVE]
        return sum(map(is_recent, last_uses(active).values()))

    def fit(self, form: DisableChosenForm) -> None:
        form.require(in_use=self.in_use, count=len(self.keys))

    def show_form(self, form: DisableChosenForm, **context: Any) -> HttpResponse:
        return super().show_form(form, in_use=self.in_use, **context)

    def perform(self, form: DisableChosenForm) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        results = states.disable_keys(principal=self.principal, keys=self.keys, reason=reason)
        return self.finish(results, lambda keys: f"{keys} disabled.")


class BulkPolicyView(_BulkView[PolicyChosenForm]):
    act = _POLICY
    rules = _rules(_POLICY, actions.KEY_UPDATED)
    form_class = PolicyChosenForm
    draft_fields = ("chosen", "policy_id")
    effect = "The rules of the policy apply immediately. A key that they do not allow does not change."
    button = "Set policy"
    shows = "Policy"
    unchanged = "It already has this policy."

    def fit(self, form: PolicyChosenForm) -> None:
        suggest_policies(form, policies_for(principal=self.principal), is_required=True)

    def perform(self, form: PolicyChosenForm) -> HttpResponse:
        changes: KeyUpdate = {"policy_id": form.cleaned_data["policy_id"]}
        results = editing.update_keys(principal=self.principal, keys=self.keys, changes=changes)
        return self.finish(results, lambda keys: f"Policy of {keys} set.")


class BulkRotationView(_BulkView[RotationChosenForm]):
    act = _ROTATION
    rules = _rules(_ROTATION, actions.KEY_UPDATED)
    form_class = RotationChosenForm
    draft_fields = ("chosen", "rule", "rotation_period_days")
    effect = (
        "The period counts from the last rotation, so the rotation of a key can be due immediately. A key whose policy does "
        "not allow the period does not change."
    )
    button = "Set rotation period"
    shows = "Next rotation"
    unchanged = "It already has this rotation period."

    def perform(self, form: RotationChosenForm) -> HttpResponse:
        changes: KeyUpdate = {"rotation_period_days": form.cleaned_data["rotation_period_days"]}
        results = editing.update_keys(principal=self.principal, keys=self.keys, changes=changes)
        return self.finish(results, lambda keys: f"Rotation period of {keys} set.")


class BulkGrantView(_BulkView[GrantChosenForm]):
    act = _GRANT
    rules = _rules(_GRANT, actions.GRANT_CREATED)
    form_class = GrantChosenForm
    draft_fields = ("chosen", "holder", "operations", "expires_at", "networks")
    effect = "Each key gets a grant of its own for those of the operations that it supports."
    button = "Grant access"
    shows = "Algorithm"

    def fit(self, form: GrantChosenForm) -> None:
        form.offer_grants(self.keys, list_holders(()), list_rights())

    def perform(self, form: GrantChosenForm) -> HttpResponse:
        request = form.grant_request()
        results = access.grant_keys(principal=self.principal, keys=self.keys, request=request)
        return self.finish(results, lambda keys: f"Access to {keys} granted.")


def _keys(count: int) -> str:
    return f"{count} key{'' if count == 1 else 's'}"


def _ids(texts: Sequence[str]) -> list[UUID]:
    """Without texts that are no IDs: only our list sends them."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
