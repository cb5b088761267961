import tomllib

import pytest

from tests.architecture.sources import ROOT


@pytest.fixture(scope="session")
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
