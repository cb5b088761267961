"""Saved filters of the log."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.admin.exports import principal_of
from audit.models import SavedFilter
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(SavedFilter)
class SavedFilterAdmin(ReadOnlyModelAdmin):
    list_display = ("name", "owner_name", "is_shared", "filters", "created_at")
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedFilter]:
        """Excludes the private filters of other users."""
        return SavedFilter.objects.visible_to(principal_of(request))
