"""docs/algorithms.md has every algorithm of the registry, with its properties."""

from tests.algorithm_tables import PAGE, page


def test_the_page_has_the_tables_of_the_registry():
    assert PAGE.read_text() == page(), "Write them with: python -m tests.algorithm_tables"
