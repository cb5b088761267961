"""Log targets: the list, one target with its state, and its changes."""

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from audit import actions
from audit.forms.log_targets import (
    OUTCOMES,
    STYLES,
    EditLogTargetForm,
    LogTargetFields,
    NewLogTargetForm,
    PositionForm,
)
from audit.forwarding.events.formats import LABELS as FORMATS
from audit.models import MANAGE_TARGETS, READ_TARGETS, LogTarget
from audit.services import log_targets
from audit.services.log_targets import Administrator
from kernel.pages.form_views import FormView
from kernel.pages.operations import Operation, OperationView, Subject, confirm
from kernel.pages.views import PageView
from kernel.rules import Rule


class LogTargetListView(PageView[Administrator]):
    rules = {"GET": Rule(READ_TARGETS, actions.LOG_TARGET_LISTED)}
    section = "audit"
    template = "audit/targets.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = log_targets.find_log_targets(principal=self.principal)
        return self.page(
            targets=log_targets.measured(found, principal=self.principal),
            may_manage=self.principal.has_permission(MANAGE_TARGETS),
        )


class NewLogTargetView(FormView[Administrator, NewLogTargetForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule(MANAGE_TARGETS, actions.LOG_TARGET_CREATED))
    section = "audit"
    template = "audit/target_new.html"
    form_class = NewLogTargetForm
    # Without the URL: its path may be a secret.
    draft_fields = ("name", "format", "style", "actions", "outcomes", "start")
    needs_recent_sign_in = True

    def perform(self, form: NewLogTargetForm) -> HttpResponse:
        target = log_targets.create_log_target(principal=self.principal, **form.order())  # type: ignore[arg-type]  # its fields are these
        return self.done(reverse("log-target", args=[target.id]), f"Log target {target.name} created.")


class _LogTargetPageView(PageView[Administrator]):
    """Base class of pages about one target."""

    object_reference = ("log_target", "target_id")
    section = "audit"

    @cached_property
    def log_target(self) -> LogTarget:
        """Raises NotFound, IntegrityFailed."""
        return log_targets.get_log_target(principal=self.principal, target_id=self.kwargs["target_id"])


class LogTargetView(_LogTargetPageView):
    rules = {"GET": Rule(READ_TARGETS, actions.LOG_TARGET_READ)}
    template = "audit/target.html"
    parts = frozenset({"target-state"})

    def get(self, request: HttpRequest, target_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        [target] = log_targets.measured([self.log_target], principal=self.principal)
        return self.page(
            log_target=target,
            format_label=FORMATS[target.format],
            style_label=STYLES[target.style] if target.scheme == "https" else "",
            outcome_labels=[OUTCOMES[word] for word in target.outcomes],
            may_manage=self.principal.has_permission(MANAGE_TARGETS),
        )


class EditLogTargetView(_LogTargetPageView, FormView[Administrator, EditLogTargetForm]):
    rules = dict.fromkeys(("GET", "POST"), Rule(MANAGE_TARGETS, actions.LOG_TARGET_CHANGED))
    template = "audit/target_edit.html"
    draft_fields = ("name", "format", "style", "actions", "outcomes")
    needs_recent_sign_in = True

    def form(self, data: QueryDict | None = None) -> EditLogTargetForm:
        target = self.log_target
        return EditLogTargetForm(data, initial=_fields_of(target), has_credential=target.has_credential)

    def perform(self, form: EditLogTargetForm) -> HttpResponse:
        log_targets.update_log_target(
            principal=self.principal,
            target_id=self.log_target.id,
            changes=form.changes(),  # type: ignore[arg-type]  # its fields are these
            check=lambda stored: form.require_current(_fields_of(stored)),
        )
        return self.done(reverse("log-target", args=[self.log_target.id]), "Log target changed.")

    def show_form(self, form: EditLogTargetForm, **context: Any) -> HttpResponse:
        return self.page(log_target=self.log_target, form=form, **context)


class TestLogTargetView(_LogTargetPageView):
    rules = {"POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_TESTED)}

    def post(self, request: HttpRequest, target_id: UUID) -> HttpResponse:  # noqa: ARG002 - Django's signature
        log_targets.request_test(principal=self.principal, target_id=target_id)
        return self.done(reverse("log-target", args=[target_id]), "Test requested. The worker sends it.")


def _facts(view: OperationView, target: LogTarget) -> dict[str, Any]:
    [found] = log_targets.measured([target], principal=view.principal)
    return {"log_target": found}


def _fields_of(target: LogTarget) -> dict[str, Any]:
    names = LogTargetFields.base_fields.keys() - {"credential"}
    return {name: getattr(target, name) for name in names} | {"credential": "", "forgets_credential": False}


LOG_TARGET: Final[Subject[LogTarget]] = Subject(
    url_name="log-target-{}",
    section="audit",
    title="Log targets",
    find=log_targets.get_log_target,
    name=lambda target: target.name,
    arguments=lambda target: {"target_id": target.id},
    page=lambda _, target: reverse("log-target", args=[target.id]),
    object_type="log_target",
    object_part="target_id",
    facts=_facts,
    details="audit/target_operation.html",
)


LOG_TARGET_OPERATIONS: Final[tuple[Operation[LogTarget], ...]] = (
    Operation(
        slug="enable",
        label="Enable log target",
        question="Enable {}?",
        permission=MANAGE_TARGETS,
        action=actions.LOG_TARGET_ENABLED,
        perform=log_targets.enable_log_target,
        form=confirm,
        draft_fields=(),
        effect="The receiver gets all entries since the last delivery. Entries move to the archive only after the receiver has them.",
        done="Log target {} enabled.",
        needs_recent_sign_in=True,
    ),
    Operation(
        slug="disable",
        label="Disable log target",
        question="Disable {}?",
        permission=MANAGE_TARGETS,
        action=actions.LOG_TARGET_DISABLED,
        perform=log_targets.disable_log_target,
        form=confirm,
        draft_fields=(),
        effect=(
            "The receiver gets nothing until you enable the target again. Delivery then continues at the same position. "
            "While the target is disabled, entries move to the archive without waiting for it."
        ),
        done="Log target {} disabled.",
        needs_recent_sign_in=True,
    ),
    Operation(
        slug="position",
        label="Reset position",
        question="Reset the position of {}?",
        permission=MANAGE_TARGETS,
        action=actions.LOG_TARGET_RESET,
        perform=log_targets.reset_position,
        form=lambda data, *_: PositionForm(data),
        draft_fields=("position", "size"),
        effect=(
            "The receiver gets every entry after the new position, and none before it. If the position is too low, it "
            "gets entries again. If the position is too high, it never gets the entries between."
        ),
        done="Position of {} reset.",
        needs_recent_sign_in=True,
    ),
    Operation(
        slug="delete",
        label="Delete log target",
        question="Delete the log target {}?",
        permission=MANAGE_TARGETS,
        action=actions.LOG_TARGET_DELETED,
        perform=log_targets.delete_log_target,
        form=confirm,
        draft_fields=(),
        effect=(
            "The receiver gets nothing more, and its position and credential are deleted. You cannot undo this. The archive "
            "no longer waits for it. To stop only for a while, disable the target instead."
        ),
        done="Log target {} deleted.",
        done_at="log-targets",
        is_danger=True,
        needs_recent_sign_in=True,
    ),
)
