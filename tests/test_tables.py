"""The pages of the algorithms, of the audit log and of log targets have the tables that the code makes."""

import pytest

from tests import action_tables, algorithm_tables, forwarding_tables


@pytest.mark.parametrize(
    "tables", [action_tables, algorithm_tables, forwarding_tables], ids=lambda tables: tables.PAGE.name
)
def test_the_page_has_the_tables_that_the_code_makes(tables):
    assert tables.PAGE.read_text() == tables.page(), "Write them with: python -m tests.endpoint_tables"
