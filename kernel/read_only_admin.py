"""A read-only admin for auditors: lists, filters, and links into the console."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import BinaryField, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property

# The lookups that the filters of Django's own pages use.
_LOOKUPS = {"", "exact", "isnull"}
# MACs, and the columns with which workers share jobs.
_INTERNAL = {"row_mac", "row_seq", "mac", "link_mac", "actor", "attempt", "lease_holder", "lease_until"}
BROWSABLE = 10_000  # rows that the pages of a list reach


class _BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Stops counting at ``BROWSABLE`` rows: a COUNT over the whole log takes longer than loading a page."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return rows[:BROWSABLE].count()


class ReadOnlyModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Refuses to add, change or delete, for every user. ``User.has_perm`` decides who may view."""

    actions = None
    console_page = ""  # the URL name of the console's page about the same, to which the list links
    console_detail = ""  # and that of its page about one row
    list_per_page = 50
    paginator = _BoundedPaginator
    show_facets = admin.ShowFacets.NEVER  # each would count the whole table
    list_select_related: ClassVar[list[str] | tuple[str, ...]] = ()
    show_full_result_count = False  # "7 results (of 1,000,000)" would count the whole table

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Sequence[str]:  # type: ignore[override]  # noqa: ARG002 - Django's signature
        """``fields``, or all columns but ``exclude``, internal ones, and bytes, which may be keys."""
        if self.fields:
            return list(map(str, self.fields))
        hidden = _INTERNAL.union(self.exclude or ())
        columns = [each for each in self.opts.concrete_fields if not isinstance(each, BinaryField)]
        return [*self.readonly_fields, *(each.name for each in columns if each.name not in hidden)]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Allow only the offered filters.

        Django allows any lookup on any local field: ``password__regex`` would extract a hash bit by bit.
        """
        field, _, how = lookup.partition("__")
        offered = {entry[0] if isinstance(entry, tuple) else entry for entry in self.list_filter}
        return field in offered and how in _LOOKUPS

    def get_list_select_related(self, request: HttpRequest) -> list[str]:  # noqa: ARG002 - Django's signature
        """The foreign keys that the list shows, and ``list_select_related``. One query reads them all."""
        keys = [each.name for each in self.opts.concrete_fields if each.is_relation]
        return [*(name for name in keys if name in self.list_display), *self.list_select_related]

    def view_on_site(self, row: Any) -> str | None:
        return reverse(self.console_detail, args=[row.pk]) if self.console_detail else None

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    has_change_permission = has_delete_permission = has_add_permission


def read_only(model: type[Model], columns: str, *, page: str = "", detail: str = "", **names: str) -> None:
    """Register a model without an admin class of its own. ``names``: Django's options, with spaces between names."""
    options = {option: words.split() for option, words in {"list_display": columns, **names}.items()}
    admin.site.register(model, ReadOnlyModelAdmin, console_page=page, console_detail=detail, **options)
