"""Find rows of the log by the numbers of their entries: a packed row has those from ``wseq`` on."""

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any, Final, NamedTuple

from django.db import connection

from audit.log.packed_rows import LEAST, MOST
from audit.log.raw_rows import as_stored, rows_of
from audit.models import AuditLog
from audit.models.hashed import hash_of

_LOOKED_UP_AT_ONCE: Final = 100
_TYPES: Final = {"postgresql": ("::integer", "::uuid", "::bigint"), "sqlite": ("", "", "")}
# Above every stored number, and on SQLite also above a text, to which a number may have been altered.
_LARGEST: Final = {"postgresql": 2**63 - 1, "sqlite": b"\xff"}

# Entries of a row ``g`` after its first one.
MORE: Final = "coalesce(CAST(g.entries AS bigint) - 1, 0)"


class Numbers(NamedTuple):
    """The row of a writer with the numbers from ``first`` to ``last``, as stored: an altered number may be a text."""

    id: Any
    first: Any
    last: Any


def rows_up_to(asked: Sequence[tuple[str, int | None]]) -> Iterator[Numbers | None]:
    """For each (writer, number), the last row of the writer that begins with this number or an earlier one.

    None as the number: the last row of all.
    """
    row = f"({', '.join(f'%s{each}' for each in _TYPES[connection.vendor])})"
    for some in batched(asked, _LOOKED_UP_AT_ONCE):
        statement = (
            f"WITH asked (place, writer, number) AS (VALUES {', '.join([row] * len(some))}) "  # noqa: S608 - constants
            f"SELECT g.id, g.wseq, {MORE} FROM asked LEFT JOIN audit_logs g ON g.id = ("
            f"SELECT n.id FROM audit_logs n WHERE {_hash('n')} = {_hash('asked')} AND n.writer = asked.writer "
            "AND n.wseq <= asked.number ORDER BY n.wseq DESC LIMIT 1) ORDER BY place"
        )
        parameters: list[Any] = []
        for place, (writer, number) in enumerate(some):
            parameters += [
                place,
                as_stored(writer),
                _LARGEST[connection.vendor] if number is None else number,
            ]
        for log_id, first, more in rows_of(statement, parameters):
            yield None if log_id is None else Numbers(log_id, first, last_of(first, more))


def number_of_entries(stored: object) -> int:
    """That of a row with this value in ``entries``, which may have been altered."""
    return stored if isinstance(stored, int) and LEAST <= stored <= MOST else 1


def _hash(alias: str) -> str:
    return hash_of(AuditLog._meta.get_field("writer"), f"{alias}.writer")


def last_of(first: Any, more: Any) -> Any:
    """The last number of a row with ``more`` entries after its first one."""
    return first + more if isinstance(first, int) and isinstance(more, int) else first
