"""Key tables for auditors. They are read-only, except that administrators can rotate keys through the services."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.principals import Principal
from accounts.roles import ADMIN
from kernel.clock import database_now, process_now
from kernel.errors import RecentAuthRequired
from kernel.pages.views import confirm_identity_first, known_principal
from kernel.read_only_admin import ReadOnlyModelAdmin
from keys.models import (
    EncryptionPolicy,
    ImportParameters,
    Key,
    KeyGrant,
    KeyRotation,
    KeyRotationJob,
    KeyVersion,
)
from keys.pages.forms import RotateChosenForm, read_chosen, write_chosen
from keys.pages.views.bulk import rotation_message
from keys.reading import services as reading
from keys.rotation.services import chosen


@admin.register(Key)
class KeyAdmin(ReadOnlyModelAdmin):
    console_page = "keys"
    list_display = (
        "name",
        "algorithm",
        "status",
        "primary_version",
        "created_at",
        "created_by",
        "expires_at",
    )
    list_filter = ("algorithm", "state", "is_default")
    list_select_related = ("created_by",)
    search_fields = ("name", "description", "id")
    date_hierarchy = "created_at"
    ordering = ("name",)
    exclude = ("row_mac", "searched_text")

    actions = ("rotate_selected",)  # type: ignore[assignment]  # the base class has none

    def status(self, key: Key) -> str:
        return key.lifecycle_state(process_now()).status

    def get_actions(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Rotation, the only write of the admin, for administrators."""
        caller = known_principal(request)
        if not isinstance(caller, Principal) or caller.role != ADMIN:
            return {}
        offered = super().get_actions(request, *args, **kwargs)
        return {name: action for name, action in offered.items() if name in self.actions}

    @admin.action(description="Rotate selected keys")
    def rotate_selected(self, request: HttpRequest, queryset: QuerySet[Key]) -> HttpResponse | None:
        """Show the keys with a form for the reason, then rotate. Raises DomainError."""
        principal = known_principal(request)
        if not isinstance(principal, Principal):
            return None  # ``get_actions`` offers it to users only
        try:
            principal.require_recent_log_in(database_now())
        except RecentAuthRequired:
            return confirm_identity_first(request)
        if queryset.count() > reading.MAX_CHOSEN:
            self.message_user(request, f"Select at most {reading.MAX_CHOSEN} keys.", messages.ERROR)
            return None
        form = RotateChosenForm(request.POST if "chosen" in request.POST else None)
        if form.is_bound and form.is_valid():
            self._rotate(request, principal, form)
            return None
        return self._confirm(request, form, queryset)

    def _rotate(self, request: HttpRequest, principal: Principal, form: RotateChosenForm) -> None:
        versions = read_chosen(form.cleaned_data["chosen"])
        keys = reading.list_chosen(principal=principal, key_ids=versions)
        rotation = chosen.rotate_chosen(
            principal=principal, keys=keys, versions=versions, reason=form.cleaned_data["reason"]
        )
        failed = any(result.error is not None for result in rotation.results)
        level = messages.WARNING if failed or rotation.skipped else messages.SUCCESS
        self.message_user(request, rotation_message(rotation), level)

    def _confirm(self, request: HttpRequest, form: RotateChosenForm, queryset: QuerySet[Key]) -> HttpResponse:
        now, keys = process_now(), list(queryset.order_by("name"))
        form.initial["chosen"] = write_chosen(keys)
        context = {
            **self.admin_site.each_context(request),
            "title": "Rotate selected keys",
            "opts": self.opts,
            "form": form,
            "rows": [(key, key.lifecycle_state(now)) for key in keys],
            "selected": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/keys/rotate_selected.html", context)


@admin.register(KeyVersion)
class KeyVersionAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "version", "state", "is_primary", "kek_id", "uses_reserved", "created_at")
    list_filter = ("state", "is_primary")
    list_select_related = ("key",)
    search_fields = ("key__name", "key__id")
    date_hierarchy = "created_at"
    ordering = ("key__name", "-version")
    exclude = ("row_mac", "wrapped")


@admin.register(KeyRotation)
class KeyRotationAdmin(ReadOnlyModelAdmin):
    list_display = (
        "old_key",
        "old_version",
        "new_version",
        "status",
        "rotation_reason",
        "rotated_by",
        "rotated_at",
    )
    list_filter = ("status",)
    list_select_related = ("old_key", "rotated_by")
    search_fields = ("old_key__name", "old_key__id", "rotation_reason")
    date_hierarchy = "rotated_at"
    ordering = ("-rotated_at",)


@admin.register(EncryptionPolicy)
class EncryptionPolicyAdmin(ReadOnlyModelAdmin):
    list_display = (
        "name",
        "algorithm",
        "key_lifetime_days",
        "minimum_deletion_days",
        "is_active",
        "created_at",
    )
    list_filter = ("algorithm", "is_active")
    search_fields = ("name", "id")
    date_hierarchy = "created_at"
    ordering = ("name",)
    exclude = ("row_mac",)


@admin.register(KeyRotationJob)
class KeyRotationJobAdmin(ReadOnlyModelAdmin):
    console_page = "jobs"
    list_display = ("id", "selection", "status", "done", "total", "reason", "created_by_name", "created_at")
    list_filter = ("status",)
    search_fields = ("id", "reason", "created_by_name")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)


@admin.register(KeyGrant)
class KeyGrantAdmin(ReadOnlyModelAdmin):
    list_display = ("key", "tag", "principal_type", "principal_id", "created_at", "created_by", "expires_at")
    list_filter = ("principal_type",)
    list_select_related = ("key", "created_by")
    search_fields = ("key__name", "key__id", "tag", "principal_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    exclude = ("row_mac",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Grants require the same permission as in the API and on pages."""
        may_view = super().has_view_permission(request, obj)
        return may_view and request.user.has_module_perms("accounts")  # that of users.read


@admin.register(ImportParameters)
class ImportParametersAdmin(ReadOnlyModelAdmin):
    list_display = ("id", "created_by", "service_account_id", "kek_id", "created_at", "expires_at")
    list_select_related = ("created_by",)
    search_fields = ("id",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    exclude = ("row_mac", "wrapped")
