"""Pages of encryption policies: the list, one policy, creating and editing one, and its operations."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from django_htmx.http import push_url

from accounts.principals import Principal
from kernel.http.context import set_audit_object
from kernel.pages.form_views import FormView
from kernel.pages.operations import Subject
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys import actions
from keys.explanations import AlgorithmChoice, algorithm_choices
from keys.models import EncryptionPolicy
from keys.policies.forms import EditPolicyForm, PolicyFilterForm, PolicyForm, positions_of
from keys.policies.operations import MANAGE, POLICY_OPERATIONS
from keys.policies.services import changing, reading
from keys.policies.texts import changed_values, effect_text

LIMIT = 50


class PolicyListView(PageView[Principal]):
    rules = {"GET": Rule("policies.read", actions.POLICY_LISTED)}
    section = "policies"
    template = "keys/policies.html"
    parts = frozenset({"policy-results", "more-policies"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = PolicyFilterForm.read(request.GET)
        search = form.given.get("search", "")
        after = request.GET.get("after", "")[:64]
        window = reading.list_policies_after(
            principal=self.principal, search=search, after=after, limit=LIMIT
        )
        response = self.page(
            form=form,
            policies=window.policies,
            next_after=window.next_after,
            is_first=not after,
            search=search,
            may_manage=self.principal.has_permission(MANAGE),
        )
        if self.target == "policy-results":
            push_url(response, form.address(reverse("policies")))
        return response


class NewPolicyView(FormView[Principal, PolicyForm]):
    rules = {method: Rule(MANAGE, actions.POLICY_CREATED) for method in ("GET", "POST")}
    section = "policies"
    template = "keys/policy_new.html"
    form_class = PolicyForm
    draft_fields = tuple(PolicyForm.base_fields)

    def perform(self, form: PolicyForm) -> HttpResponse:
        policy = changing.create_policy(principal=self.principal, **form.order())
        return self.done(reverse("policy", args=[policy.name]), f"Policy {policy.name} created.")

    def show_form(self, form: PolicyForm, **context: Any) -> HttpResponse:
        choices: dict[str, AlgorithmChoice] = {}
        for choice in algorithm_choices().values():
            choices.setdefault(choice.algorithm.name, choice)
        return self.page(
            form=form,
            algorithms=[(radio, choices[radio.data["value"]]) for radio in form["algorithm"]],
            modes=[(box, _positions_with(box.data["value"])) for box in form["allowed_modes"]],
            **context,
        )


SUBJECT: Final[Subject[EncryptionPolicy]] = Subject(
    url_name="policy-{}",
    section="policies",
    title="Policies",
    find=reading.find_policy,
    name=lambda policy: policy.name,
    arguments=lambda policy: {"policy_id": policy.id},
    page=lambda _, policy: reverse("policy", args=[policy.name]),
    object_type="policy",
    object_id=lambda policy: policy.id,
    find_named=reading.policy_named,
)


class _PolicyPageView(PageView[Principal]):
    """Base class of pages about one policy."""

    section = "policies"

    def object_of(self, **kwargs: Any) -> tuple[str, str]:
        return SUBJECT.object_of(self.principal, kwargs)

    @cached_property
    def policy(self) -> EncryptionPolicy:
        """Raises NotFound, IntegrityFailed."""
        policy = reading.find_policy(principal=self.principal, name=self.kwargs["name"])
        set_audit_object(self.request, "policy", str(policy.id))
        return policy


class PolicyView(_PolicyPageView):
    rules = {"GET": Rule("policies.read", actions.POLICY_READ)}
    template = "keys/policy.html"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        policy = self.policy
        may_manage = self.principal.has_permission(MANAGE)
        return self.page(
            policy=policy,
            may_manage=may_manage,
            operations=[
                operation
                for operation in POLICY_OPERATIONS.values()
                if may_manage and not operation.refusal(policy)
            ],
        )


class EditPolicyView(_PolicyPageView, FormView[Principal, EditPolicyForm]):
    """The first submission shows what changes and for which keys; the second one, from that page, saves."""

    rules = {method: Rule(MANAGE, actions.POLICY_UPDATED) for method in ("GET", "POST")}
    template = "keys/policy_edit.html"
    draft_fields = tuple(EditPolicyForm.base_fields)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "back" in request.POST:
            return self.show_form(self.form(request.POST))
        return super().post(request, *args, **kwargs)

    def form(self, data: QueryDict | None = None) -> EditPolicyForm:
        return EditPolicyForm(data, policy=self.policy)

    def perform(self, form: EditPolicyForm) -> HttpResponse:
        policy = self.policy
        url = reverse("policy", args=[policy.name])
        if not form.changes():
            return self.done(url, "Nothing was changed.")
        if "confirmed" not in self.request.POST:
            return self._show_preview(policy, form)
        changing.update_policy(
            principal=self.principal, policy_id=policy.id, changes=form.order(), check=form.check
        )
        return self.done(url, f"Policy {policy.name} saved.")

    def show_form(self, form: EditPolicyForm, **context: Any) -> HttpResponse:
        return self.page(policy=self.policy, form=form, **context)

    def _show_preview(self, policy: EncryptionPolicy, form: EditPolicyForm) -> HttpResponse:
        form.check(policy)
        preview = changing.preview_policy(principal=self.principal, policy_id=policy.id, changes=form.order())
        return self.page(
            template="keys/policy_preview.html",
            policy=policy,
            form=form,
            rows=changed_values(form),
            preview=preview,
            effects=[(effect_text(effect), effect.keys[:5], effect.count - 5) for effect in preview.effects],
        )


def _positions_with(mode: str) -> str:
    """``positions_of`` the algorithms that have the mode."""
    return positions_of(lambda kind: mode in kind.modes)
