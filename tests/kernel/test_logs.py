import io
import json
import logging
import subprocess
import sys

import pytest

from kernel import __version__
from kernel.observability import logs
from kernel.observability.redaction import REDACTED
from tests.product import ROOT


@pytest.fixture(params=["json", "text"])
def log_format(request):
    return request.param


@pytest.fixture
def level():
    return "DEBUG"


@pytest.fixture
def written(log_format, level):
    """A logger's output in that format, as ``bin/serve`` configures it, without pytest's own capture."""
    root = logging.getLogger()
    handlers, former = root.handlers, root.level
    logs.configure(level=level, log_format=log_format, service="canary-service", has_traces=False)
    root.handlers[0].stream = stream = io.StringIO()
    yield stream.getvalue
    root.handlers, root.level = handlers, former


@pytest.fixture
def logger(written):
    return logging.getLogger("canary")


def fields(written):
    """The only record, as JSON."""
    [line] = written().splitlines()
    return json.loads(line)


json_only = pytest.mark.parametrize("log_format", ["json"], indirect=True)


@json_only
def test_a_record_has_the_names_of_the_elastic_common_schema(written, logger):
    token = logs.current_request_id.set("request-1")
    logger.warning("the canary %s", "sings", extra={"error.type": "SongError"})
    logs.current_request_id.reset(token)
    record = fields(written)
    assert record.pop("@timestamp").endswith("Z")
    assert record == {
        "message": "the canary sings",
        "log.level": "warning",
        "log.logger": "canary",
        "http.request.id": "request-1",
        "error.type": "SongError",
        "service.name": "canary-service",
        "service.version": __version__,
        "ecs.version": "8.11.0",
    }


def test_a_field_that_is_not_on_the_list_is_dropped(written, logger):
    logger.error("event", extra={"plaintext": "canary-plaintext", "user": "ada", "error.type": "SongError"})
    assert "canary-plaintext" not in written()
    assert "ada" not in written()
    assert "SongError" in written()


def fails_with(secret):
    raise ValueError(f"cannot use {secret}")


def test_an_exception_shows_its_type_and_place_and_no_value(written, logger):
    try:
        fails_with("short-marker")
    except ValueError:
        logger.exception("it failed")
    assert "short-marker" not in written()
    assert "ValueError" in written()
    assert "test_logs.py" in written()
    assert "fails_with" in written()
    assert REDACTED not in written()  # a trace of only our own files stays readable


def test_the_cause_of_an_exception_is_not_quoted_either(written, logger):
    try:
        try:
            fails_with("short-marker")
        except ValueError as error:
            raise KeyError("another-marker") from error
    except KeyError:
        logger.exception("it failed")
    assert "marker" not in written()


def test_a_message_is_redacted(written, logger):
    logger.info("before %s", "password=hunter2")
    assert f"before {REDACTED}" in written()


@json_only
def test_a_line_break_in_a_message_does_not_begin_another_record(written, logger):
    logger.info("one\n%s", '{"message": "forged"}')
    assert len(written().splitlines()) == 1


@pytest.mark.parametrize("name", ["django.db.backends", "botocore.auth"])
def test_statements_and_headers_are_not_logged_at_any_level(written, name):
    logging.getLogger(name).debug("SELECT %s", "parameter-marker")
    assert written() == ""


NAMES = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@pytest.mark.parametrize("level", sorted(logs.LEVELS))
def test_it_logs_from_its_level_on_in_its_format(written, log_format, logger, level):
    for name in NAMES:
        logger.log(getattr(logging, name), "at %s", name)
    lines = written().splitlines()
    assert len(lines) == 5 - NAMES.index(level)
    assert all(line.startswith("{") == (log_format == "json") for line in lines)


def test_a_process_takes_both_from_its_settings(tmp_path):
    script = (
        "import logging, django; django.setup()\n"
        "logging.getLogger('canary').error('an error')\n"
        "logging.getLogger('canary').warning('a warning')"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "ciphercanary.settings",
        "CC_HOME": str(tmp_path),
        "LOG_LEVEL": "ERROR",
        "LOG_FORMAT": "text",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    [line] = [line for line in done.stderr.splitlines() if "canary" in line]
    assert "an error" in line
    assert not line.startswith("{")
