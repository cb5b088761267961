import pytest


@pytest.fixture(params=["fast", "python"])
def parser(request):
    """Each of gunicorn's parsers, by its name in ``http_parser``."""
    if request.param == "fast":
        pytest.importorskip("gunicorn_h1c")
    return request.param
