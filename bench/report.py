"""The report: on a terminal, and between marks in docs/benchmarks.md."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench import table
from bench.figures import MEGABYTE, Results, figures, singles_rows
from bench.table import number

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
# Each pair stands around what one command writes.
RESULTS = (
    "<!-- What stands between the marks is written by `bin/bench --write`. -->\n",
    "<!-- end of what is written -->\n",
)
GROWTH = (
    "<!-- What stands between the marks is written by `python -m bench.growth --write`: growth. -->\n",
    "<!-- end of growth -->\n",
)
INDEXES = (
    "<!-- What stands between the marks is written by `python -m bench.growth --write`: indexes. -->\n",
    "<!-- end of indexes -->\n",
)
PAGES = (
    "<!-- What stands between the marks is written by `python -m bench.pages --write`. -->\n",
    "<!-- end of pages -->\n",
)
SINGLES = ("operation", "c", "contestant", "req/s", "to OpenBao", "p50 ms", "p95 ms", "p99 ms", "errors")

type Render = Callable[[Sequence[str], Iterable[Sequence[str]]], str]
type Facts = Sequence[tuple[str, str]]


def report(results: Results, facts: Facts, render: Render) -> str:
    """Return all tables, as ``table.terminal`` or ``table.markdown`` draws them."""
    parts = [
        render(("run", ""), facts),
        render(table.HEADINGS, [figure.cells() for figure in figures(results)]),
    ]
    if results.singles:
        parts.append(render(SINGLES, singles_rows(results)))
    if bound := results.bound:
        row = (f"{number(bound.messages)} a second", f"{number(bound.bytes / MEGABYTE)} MB/s")
        parts.append(render(("openssl speed, one core: 64 B", "1 MiB"), [row]))
    return "\n".join(parts)


def write(text: str, marks: tuple[str, str] = RESULTS) -> None:
    """Put ``text`` between two marks of the page. Raises ValueError where they are not there."""
    head, begin, rest = PAGE.read_text().partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{PAGE} has no two marks around the tables")
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
