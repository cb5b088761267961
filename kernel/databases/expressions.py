"""Expressions that Django's ORM lacks."""

from django.db.models import IntegerField, Subquery


class CountOf(Subquery):
    """How many rows there are."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
