"""Lists of the log, its tree and its usage in Django's admin, read-only, for auditors."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.log.events import ActorType, Source
from audit.models import (
    EXPORT_PERMISSION,
    AuditAlarm,
    AuditBundle,
    AuditCheckpoint,
    AuditExport,
    AuditLeaf,
    AuditLog,
    AuditPass,
    AuditReceipt,
    AuditSegment,
    AuditTile,
    AuditTrail,
    AuditTree,
    AuditVerification,
    CheckpointKey,
    Integrity,
    LogTarget,
    SavedFilter,
    TokenLastUse,
    UsageDay,
    UsageRollup,
    WitnessedLog,
    WitnessKey,
)
from audit.models.alarms import AuditAlarmQuerySet
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.catching_up import catch_up_with_request
from audit.sequencing.checkpoints.signing_keys import origin
from audit.services import exports, showing
from audit.services.exports import Exporter
from audit.services.witness import verifier_key
from audit.tlog.checkpoint import VerifierKey
from kernel.errors import Denied
from kernel.freshness.models import EntityEpoch, SecurityEpoch
from kernel.read_only_admin import ReadOnlyModelAdmin, read_only


def _principal_of(request: HttpRequest) -> Exporter:
    """The principal that ``accounts.sessions.middleware`` has set. Raises Denied without a session."""
    principal: Exporter | None = getattr(request, "principal", None)
    if principal is None:
        raise Denied("Sign in first.")
    return principal


class WordFilter(admin.ChoicesFieldListFilter):
    """Offers the values that the application defines. The stored rows may contain anything."""

    words: type[StrEnum]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield self._choice(changelist, None, "All")
        for word in self.words:
            yield self._choice(changelist, word.value, word.value)

    def _choice(self, changelist: ChangeList, word: str | None, text: str) -> Mapping[str, Any]:
        asked = None if self.lookup_val is None else self.lookup_val[-1]
        query = changelist.get_query_string(
            {self.lookup_kwarg: word} if word else {}, [] if word else [self.lookup_kwarg]
        )
        return {"selected": asked == word, "query_string": query, "display": text}


class SourceFilter(WordFilter):
    words = Source


class ActorTypeFilter(WordFilter):
    words = ActorType


class AlarmKindFilter(WordFilter):
    words = AlarmKind


class ShownChangeList(ChangeList):
    """Reads the rows of a page with the admin's ``show``, which tolerates rows that Django cannot convert."""

    model_admin: "ShownAdmin"

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.model_admin.show(self.result_list)


class ShownAdmin(ReadOnlyModelAdmin):
    """Admin of rows whose integrity is checked, in the list and on the detail page. The list catches up first."""

    readonly_fields = ("integrity_badge",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        return ShownChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        catch_up_with_request()
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:  # noqa: ARG002 - Django's signature
        try:
            key = self.model._meta.pk.to_python(object_id)
        except ValidationError:
            return None
        return self.find(self.get_queryset(request), key)

    def find(self, rows: QuerySet[Any], key: Any) -> Model | None:
        """The row with this primary key."""
        return next(iter(self.show(rows.filter(pk=key))), None)

    def show(self, rows: QuerySet[Any]) -> Sequence[Model]:
        """The rows of a page, with their integrity."""
        raise NotImplementedError

    @admin.display(description="integrity")
    def integrity_badge(self, row: AuditLog | AuditTrail | AuditAlarm) -> SafeString:
        is_altered = row.is_altered if isinstance(row, AuditAlarm) else row.integrity == Integrity.ALTERED
        if not is_altered:
            return format_html("{}", Integrity.VERIFIED if isinstance(row, AuditAlarm) else row.integrity)
        warning = "\N{WARNING SIGN} Altered outside the application. Run verify_audit_log"
        return format_html('<strong class="errornote">{}</strong>', warning)


@admin.register(AuditLog)
class AuditLogAdmin(ShownAdmin):
    console_page = "audit"
    list_display = (
        "id",
        "integrity_badge",
        "timestamp",
        "actor_name",
        "action",
        "outcome",
        "object_id",
        "entries",
    )
    list_filter = ("outcome", ("source", SourceFilter), ("actor_type", ActorTypeFilter))
    ordering = ("-id",)

    def show(self, rows: QuerySet[AuditLog]) -> Sequence[AuditLog]:
        return showing.show_rows(rows)

    def view_on_site(self, entry: AuditLog) -> str | None:
        """The console's page, with the proof. An altered id may be negative, and has none."""
        return reverse("audit-entry", args=[entry.pk]) if entry.pk > 0 else None


@admin.register(AuditTrail)
class AuditTrailAdmin(ShownAdmin):
    list_display = ("id", "integrity_badge", "changed_at", "table_name", "record_id", "action", "changed_by")
    ordering = ("-id",)

    def show(self, rows: QuerySet[AuditTrail]) -> Sequence[AuditTrail]:
        return showing.show_changes(rows)


@admin.register(AuditAlarm)
class AuditAlarmAdmin(ShownAdmin):
    console_page = "alarms"
    list_display = ("kind", "integrity_badge", "log_id", "raised_at", "resolved_at", "resolved_by_name")
    list_filter = (("kind", AlarmKindFilter),)
    ordering = ("-raised_at", "id")

    def show(self, rows: QuerySet[AuditAlarm]) -> Sequence[AuditAlarm]:
        return cast("AuditAlarmQuerySet", rows).found()

    def find(self, rows: QuerySet[AuditAlarm], key: Any) -> AuditAlarm | None:
        return cast("AuditAlarmQuerySet", rows).with_id(key)


@admin.register(AuditExport)
class AuditExportAdmin(ReadOnlyModelAdmin):
    console_page, console_detail = "audit-export-list", "job"
    list_display = ("created_at", "created_by_name", "format", "status", "done", "total", "expires_at")
    list_filter = ("status", "format")
    ordering = ("-created_at",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Requires the export permission: operators may read the log but not export it."""
        try:
            _principal_of(request).require(EXPORT_PERMISSION)
        except Denied:
            return False
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditExport]:
        return exports.find_exports(principal=_principal_of(request))


@admin.register(SavedFilter)
class SavedFilterAdmin(ReadOnlyModelAdmin):
    console_page = "audit-saved"
    list_display = ("name", "owner_name", "is_shared", "filters", "created_at")
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedFilter]:
        """Excludes the private filters of other users."""
        return SavedFilter.objects.visible_to(_principal_of(request))


read_only(AuditCheckpoint, "size signed_at", fields="size signed_at note")
read_only(AuditReceipt, "size anchor receipt anchored_at", ordering="-id")


@admin.register(CheckpointKey)
class CheckpointKeyAdmin(ReadOnlyModelAdmin):
    list_display = ("kid", "algorithm", "state", "created_at")
    list_filter = ("state",)
    ordering = ("-created_at",)
    readonly_fields = ("vkey",)

    @admin.display(description="public key to pin")
    def vkey(self, key: CheckpointKey) -> str:
        return VerifierKey(origin(), key.algorithm, bytes(key.public_key)).vkey


@admin.register(WitnessKey)
class WitnessKeyAdmin(ReadOnlyModelAdmin):
    list_display = ("id", "created_at")
    readonly_fields = ("vkey",)

    @admin.display(description="public key for other logs")
    def vkey(self, key: WitnessKey) -> str:
        return verifier_key(key).vkey


read_only(AuditPass, "started_at size position", fields="started_at size trail_size position alarms finished")
read_only(
    AuditVerification,
    "created_at created_by_name status done total entries findings",
    list_filter="status",
    ordering="-created_at",
    page="jobs",
    detail="verification",
)
read_only(WitnessedLog, "origin size cosigned_at", fields="origin size cosigned_at note", ordering="origin")


@admin.register(AuditTree)
class AuditTreeAdmin(ReadOnlyModelAdmin):
    list_display = ("size", "root_hash")
    readonly_fields = ("root_hash",)

    def root_hash(self, tree: AuditTree) -> str:
        return bytes(tree.root).hex()


@admin.register(AuditLeaf)
class AuditLeafAdmin(ReadOnlyModelAdmin):
    list_display = ("idx", "log_id", "hash")
    ordering = ("-idx",)
    readonly_fields = ("hash",)

    def hash(self, leaf: AuditLeaf) -> str:
        return bytes(leaf.leaf_hash).hex()


read_only(
    AuditSegment,
    "number first_at last_at size archived_at removed_at",
    fields="number first_id last_id first_at last_at size sha256 archived_at removed_at",
    page="audit-archive",
)
read_only(
    LogTarget,
    "name origin format is_enabled size last_success_at last_error",
    fields="name origin style format actions outcomes has_credential ca is_enabled size root stopped_reason created_at "
    "created_by_name last_success_at last_error failures failing_since next_attempt_at tested_at test_error",
    ordering="name",
    page="log-targets",
)
read_only(AuditTile, "level number", ordering="-id")
read_only(AuditBundle, "id at writer first entries rejected_at", ordering="-id")
read_only(
    UsageRollup,
    "hour key_id version principal operation outcome count size",
    list_filter="outcome",
    ordering="-hour -id",
    page="usage",
)
read_only(UsageDay, "day kind subject allowed denied failed", list_filter="kind", ordering="-day -id")
read_only(TokenLastUse, "token_id last_at client_ip", ordering="-last_at token_id")
read_only(SecurityEpoch, "id epoch")
read_only(EntityEpoch, "entity epoch", ordering="entity")
