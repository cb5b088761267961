"""Log targets."""

from collections.abc import Iterable
from http import HTTPStatus
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.models import MANAGE_TARGETS, READ_TARGETS, LogTarget
from audit.serializers.log_targets import (
    LogTargetChangesSerializer,
    LogTargetSerializer,
    NewLogTargetSerializer,
    PositionSerializer,
)
from audit.services import log_targets
from audit.services.log_targets import Administrator
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule


class _LogTargetView(ApiView[Administrator]):
    """Base class of the views of log targets."""

    def measured(self, rows: Iterable[LogTarget]) -> list[LogTarget]:
        return log_targets.measured(rows, principal=self.principal)

    def shown(self, target: LogTarget, **options: object) -> Response:
        [found] = self.measured([target])
        return Response(LogTargetSerializer(found).data, **options)  # type: ignore[arg-type]  # status and headers


class LogTargetListView(_LogTargetView):
    rules = {
        "GET": Rule(READ_TARGETS, actions.LOG_TARGET_LISTED),
        "POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_CREATED),
    }

    @extend_schema(
        operation_id="audit_log_targets_list",
        parameters=[PageQuery],
        responses=page_serializer(LogTargetSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the log targets by name, with their lag."""
        self.read_query(PageQuery)
        found = log_targets.find_log_targets(principal=self.principal)
        return self.page(found, LogTargetSerializer, read=self.measured)

    @extend_schema(
        request=NewLogTargetSerializer, parameters=[LOCATION], responses={201: LogTargetSerializer}
    )
    @idempotent()
    def post(self, _request: Request) -> Response:
        """Create a log target. Requires a recent sign-in."""
        values = self.read(NewLogTargetSerializer)
        options = {name: values.pop(name) for name in ("size", "is_enabled")}
        target = log_targets.create_log_target(principal=self.principal, values=values, **options)  # type: ignore[arg-type]  # its fields are these
        location = reverse("api-log-target", kwargs={"target_id": target.id})
        return self.shown(target, status=HTTPStatus.CREATED, headers={"Location": location})


class _OneLogTargetView(_LogTargetView):
    """Base class of views whose URL names a log target."""

    object_reference = ("log_target", "target_id")

    def require_visible(self) -> None:
        log_targets.get_log_target(principal=self.principal, target_id=self.kwargs["target_id"])


class LogTargetView(_OneLogTargetView):
    rules = {
        "GET": Rule(READ_TARGETS, actions.LOG_TARGET_READ),
        "PATCH": Rule(MANAGE_TARGETS, actions.LOG_TARGET_CHANGED),
        "DELETE": Rule(MANAGE_TARGETS, actions.LOG_TARGET_DELETED),
    }

    @extend_schema(parameters=[ETAG], responses=LogTargetSerializer)
    def get(self, _request: Request, target_id: UUID) -> Response:
        """One log target, with its lag. Deliveries do not change its `ETag`."""
        return self._with_etag(log_targets.get_log_target(principal=self.principal, target_id=target_id))

    @extend_schema(
        request=LogTargetChangesSerializer, parameters=[IF_MATCH, ETAG], responses=LogTargetSerializer
    )
    def patch(self, request: Request, target_id: UUID) -> Response:
        """Change a log target. Its position stays. A new server needs the credential again. Requires a recent sign-in."""
        target = log_targets.update_log_target(
            principal=self.principal,
            target_id=target_id,
            changes=self.read(LogTargetChangesSerializer),  # type: ignore[arg-type]  # its fields are these
            check=if_match(request),
        )
        return self._with_etag(target)

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, target_id: UUID) -> Response:
        """Delete a log target. Archiving no longer waits for it. Requires a recent sign-in."""
        log_targets.delete_log_target(principal=self.principal, target_id=target_id)
        return Response(status=HTTPStatus.NO_CONTENT)

    def _with_etag(self, target: LogTarget) -> Response:
        return self.shown(target, headers={"ETag": etag_of(target.revision)})


class EnableLogTargetView(_OneLogTargetView):
    """Deliver again, from the position on. Requires a recent sign-in."""

    rules = {"POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_ENABLED)}

    @extend_schema(request=None, responses=LogTargetSerializer)
    def post(self, _request: Request, target_id: UUID) -> Response:
        return self.shown(log_targets.enable_log_target(principal=self.principal, target_id=target_id))


class DisableLogTargetView(_OneLogTargetView):
    """Deliver nothing. Archiving no longer waits for the target. Requires a recent sign-in."""

    rules = {"POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_DISABLED)}

    @extend_schema(request=None, responses=LogTargetSerializer)
    def post(self, _request: Request, target_id: UUID) -> Response:
        return self.shown(log_targets.disable_log_target(principal=self.principal, target_id=target_id))


class ResetPositionView(_OneLogTargetView):
    """Continue at another entry. This also ends a stop. Requires a recent sign-in."""

    rules = {"POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_RESET)}

    @extend_schema(request=PositionSerializer, responses=LogTargetSerializer)
    def post(self, _request: Request, target_id: UUID) -> Response:
        size = self.read(PositionSerializer)["size"]
        return self.shown(
            log_targets.reset_position(principal=self.principal, target_id=target_id, size=size)
        )


class TestLogTargetView(_OneLogTargetView):
    """Let the worker send one test entry within seconds. `tested_at` and `test_error` then have the result."""

    rules = {"POST": Rule(MANAGE_TARGETS, actions.LOG_TARGET_TESTED)}

    @extend_schema(request=None, responses={202: LogTargetSerializer})
    @idempotent()
    def post(self, _request: Request, target_id: UUID) -> Response:
        target = log_targets.request_test(principal=self.principal, target_id=target_id)
        return self.shown(target, status=HTTPStatus.ACCEPTED)
