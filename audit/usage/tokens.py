"""The last use of service tokens, which follows the log within about a second."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet

from audit.models import TokenLastUse


class TokenUse(NamedTuple):
    """``client_ip`` is "" if the entry is about requests from several addresses."""

    at: datetime
    client_ip: str


def uses_since(timestamp: datetime) -> QuerySet[TokenLastUse]:
    """The last uses from that time on, to filter a list of tokens."""
    return TokenLastUse.objects.filter(last_at__gte=timestamp)


def last_token_uses(token_ids: Iterable[object]) -> Mapping[str, TokenUse]:
    """``{token id: last use}`` of tokens that the log has entries of. Reads with a token have entries too."""
    rows = TokenLastUse.objects.filter(token_id__in=[str(token_id) for token_id in token_ids])
    return {row.token_id: TokenUse(row.last_at, row.client_ip) for row in rows}
