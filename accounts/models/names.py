"""Names that only one row of a table has."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import Model

from accounts.errors import NameTaken


@contextmanager
def unique_name(model: type[Model], name: str, noun: str) -> Iterator[None]:
    """A transaction that inserts a row with this name. Raises NameTaken; its detail names the kind of row: ``noun``."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if not model._default_manager.filter(name=name).exists():
            raise
        raise NameTaken.of_field("name", f"A {noun} named {name} already exists.", name=name) from None
