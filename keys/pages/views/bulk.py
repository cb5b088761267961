"""Pages that rotate or tag the keys that were chosen in the list."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.principals import Principal
from kernel.clock import process_now
from kernel.errors import DomainError
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.rules import Rule
from keys import actions
from keys.editing import services as editing
from keys.lifecycle import Status
from keys.models import Key
from keys.pages.forms import RotateChosenForm, TagChosenForm, read_chosen, write_chosen
from keys.reading import services as reading
from keys.rotation.services import chosen

_SHOWN = 100
_NAMED = 5  # failures in the message


class _BulkView[F: PageForm](FormView[Principal, F]):
    """The first POST comes from the list and only shows the chosen keys. The second one has ``chosen``.

    ``versions`` are the primary versions that the page showed.
    """

    section = "keys"
    keys: Sequence[Key]
    versions: Mapping[UUID, int]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        form = self.show_draft(self.form())
        self._find(read_chosen(form.data.get("chosen", "")))
        return self.show_form(form)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "chosen" not in request.POST:
            self._find(_ids(request.POST.getlist("key")))
            return self.show_form(self.form_class(initial={"chosen": write_chosen(self.keys)}))
        self.versions = read_chosen(request.POST["chosen"])
        self._find(self.versions)
        return super().post(request, *args, **kwargs) if self.keys else self.again(self.form(request.POST))

    def _find(self, key_ids: Iterable[UUID]) -> None:
        self.keys = reading.list_chosen(principal=self.principal, key_ids=key_ids)

    def show_form(self, form: F, **context: Any) -> HttpResponse:
        now, keys = process_now(), self.keys
        rows = [(key, key.lifecycle_state(now)) for key in keys]
        active = [key for key, at in rows if at.status is Status.ACTIVE]
        return self.page(
            form=form,
            rows=rows[:_SHOWN],
            more=len(rows) - _SHOWN if len(rows) > _SHOWN else 0,
            count=len(rows),
            active=len(active),
            skipped=len(rows) - len(active),
            is_job=chosen.rotates_by_job(active),
            most_tagged=editing.MAX_TAGGED,
            **context,
        )


class BulkRotateView(_BulkView[RotateChosenForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("keys.rotate", actions.ROTATION_JOB_REQUESTED))
    template = "keys/bulk_rotate.html"
    form_class = RotateChosenForm
    draft_fields = ("chosen", "reason")

    def perform(self, form: RotateChosenForm) -> HttpResponse:
        rotation = chosen.rotate_chosen(
            principal=self.principal,
            keys=self.keys,
            versions=self.versions,
            reason=form.cleaned_data["reason"],
        )
        if rotation.job is not None:
            return self.done(reverse("rotation-job", args=[rotation.job.id]), _rotation_message(rotation))
        return self.done(reverse("keys"), _rotation_message(rotation))


class BulkTagView(_BulkView[TagChosenForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule("keys.update", actions.KEY_UPDATED))
    template = "keys/bulk_tag.html"
    form_class = TagChosenForm
    draft_fields = ("chosen", "change", "tag")

    def perform(self, form: TagChosenForm) -> HttpResponse:
        tag, adds = form.cleaned_data["tag"], form.cleaned_data["change"] == "add"
        results = list(editing.change_tag(principal=self.principal, keys=self.keys, tag=tag, adds=adds))
        failed = [(each.key, each.error) for each in results if each.error is not None]
        changed = sum(each.is_changed for each in results)
        done = f"Tag {tag} {'added to' if adds else 'removed from'} {_keys(changed)}."
        return self.done(reverse("keys"), _message(done, failed, len(results) - changed - len(failed)))


def _rotation_message(rotation: chosen.BulkRotation) -> str:
    """The result, in words."""
    if rotation.job is not None:
        return f"Rotation of {_keys(rotation.job.total or 0)} queued."
    failed = [(each.key, each.error) for each in rotation.results if each.error is not None]
    done = f"{_keys(len(rotation.results) - len(failed))} rotated."
    return _message(done, failed, rotation.skipped)


def _message(done: str, failed: Sequence[tuple[Key, DomainError]], skipped: int) -> str:
    parts = [done, *(f"{key.name}: {error.detail}" for key, error in failed[:_NAMED])]
    if len(failed) > _NAMED:
        parts.append(f"{len(failed) - _NAMED} more failed.")
    if skipped:
        parts.append(f"{_keys(skipped)} skipped.")
    return " ".join(parts)


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
