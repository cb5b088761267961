"""The admin as auditors use it: everything can be looked at, nothing can be touched."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class ReadOnlyModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Nothing is added, changed or deleted here, whoever asks. Who may look is ``User.has_perm``'s answer."""

    actions = None
    list_per_page = 50
    show_full_result_count = False  # "7 results (of 1,000,000)" would count the whole table

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False
