"""Expressions that Django's ORM lacks."""

from django.db.models import IntegerField, Subquery


class CountOf(Subquery):
    """The number of rows of a query."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()
