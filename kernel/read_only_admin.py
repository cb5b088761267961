"""A read-only admin for auditors."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

# The lookups that the filters and the date hierarchy of Django's own pages use.
LOOKUPS = {"", "exact", "isnull", "year", "month", "day", "gte", "lt"}


def _field_name(entry: object) -> object:
    return entry[0] if isinstance(entry, tuple) else entry


class ReadOnlyModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Refuses to add, change or delete, for every user. ``User.has_perm`` decides who may view."""

    actions = None
    console_page = ""  # the URL name of the console's page about the same, to which the list links
    list_per_page = 50
    show_full_result_count = False  # "7 results (of 1,000,000)" would count the whole table

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Allow only the offered filters.

        Django allows any lookup on any local field: ``password__regex`` would extract a hash bit by bit.
        """
        field, _, how = lookup.partition("__")
        offered = {*map(_field_name, self.list_filter), self.date_hierarchy}
        return field in offered and how in LOOKUPS

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False
