"""bin/test without ``--all`` leaves out the expensive levels, so each test says its level."""

import re

from tests.architecture.sources import ROOT, name

RUNS_THE_PRODUCT = re.compile(r"^def (test_\w+|\w+)\([^)]*\bproduct\b|\bProduct\(", re.MULTILINE)
LEVELS = re.compile(r"pytest\.mark\.(process|browser|sweep)\b")


def test_a_test_that_runs_the_product_is_marked_as_such():
    """The tests of tests/e2e get their mark from its conftest."""
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "e2e" not in path.parts]
    texts = {name(path): path.read_text() for path in files}
    unmarked = [
        file for file, text in texts.items() if RUNS_THE_PRODUCT.search(text) and not LEVELS.search(text)
    ]
    assert unmarked == []
