"""Pages that change one version of a key, and the minimum version for decryption."""

from typing import Any, Final

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.principals import Principal
from audit.sequencing.catching_up import catch_up_with_request
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.pages.form_views import FormView
from kernel.pages.operations import OperationView, Subject
from kernel.pages.views import number_in
from kernel.rules import Rule
from keys import actions
from keys.editing import services as editing
from keys.editing.forms import MinimumVersionForm
from keys.editing.services import KeyUpdate
from keys.impact import KeyAction
from keys.models import KeyVersion
from keys.pages.views.detail import KeyView, impact_of
from keys.reading import services as reading


def _find_version(*, principal: Principal, name: str, version: int) -> KeyVersion:
    key = reading.find_key(principal=principal, name=name)
    return first_of(key.versions.filter(version=version))


def _version_facts(view: OperationView, found: KeyVersion) -> dict[str, Any]:
    action: KeyAction | None = view.operation.shows_impact_of
    impact = impact_of(view.principal, found.key, action, found.version) if action else {}
    return {"key": found.key, "version": found, **impact}


VERSION: Final[Subject[KeyVersion]] = Subject(
    url_name="key-version-{}",
    section="keys",
    title="Keys",
    find=_find_version,
    name=lambda version: f"{version.version} of {version.key.name}",
    arguments=lambda version: {"key_id": version.key_id, "version": version.version},
    page=lambda _, version: reverse("key-versions", args=[version.key.name]),
    object_type="key",
    object_id=lambda version: version.key_id,
    find_named=reading.key_named,
    facts=_version_facts,
    details="keys/version_operation.html",
    back="Back to versions",
    catch_up=catch_up_with_request,
)


class MinimumVersionView(KeyView, FormView[Principal, MinimumVersionForm]):
    """Change the minimum version for decryption. The URL has the new one, so that its impact is shown before."""

    rules = {method: Rule("keys.update", actions.KEY_UPDATED) for method in ("GET", "POST")}
    template = "keys/minimum_version.html"
    tab = "versions"

    @cached_property
    def number(self) -> int:
        return number_in(self.request, "version") or self.key.min_decryption_version

    def form(self, data: QueryDict | None = None) -> MinimumVersionForm:
        self.principal.require_recent_sign_in(database_now())
        return MinimumVersionForm(data, key=self.key)

    def perform(self, form: MinimumVersionForm) -> HttpResponse:  # noqa: ARG002 - the number is in the URL
        changes: KeyUpdate = {"min_decryption_version": self.number}
        name = editing.update_key(principal=self.principal, key_id=self.key.id, changes=changes).name
        done = f"The minimum version of {name} is now {self.number}."
        return self.done(reverse("key-versions", args=[name]), done)

    def show_form(self, form: MinimumVersionForm, **context: Any) -> HttpResponse:
        key, number, impossible = self.key, self.number, ""
        if not 1 <= number <= key.primary_version:
            impossible = f"The minimum version must be 1 to {key.primary_version}."
        elif number == key.min_decryption_version:
            impossible = f"The minimum version is already {number}."
        elif number > key.min_decryption_version:
            context |= impact_of(self.principal, key, KeyAction.RAISE_MINIMUM, number)
        return self.page(key=key, number=number, form=form, impossible=impossible, **context)
