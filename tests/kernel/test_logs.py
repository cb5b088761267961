import base64
import io
import json
import logging
import subprocess
import sys
from secrets import token_bytes

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


@pytest.mark.parametrize("size", [32, 33, 64, 256])
@pytest.mark.parametrize(
    "spell", [base64.b64encode, base64.urlsafe_b64encode, lambda value: value.hex().encode()]
)
def test_what_looks_like_key_bytes_is_redacted(written, logger, size, spell):
    text = spell(token_bytes(size)).decode()
    logger.info("got %s there", text)
    assert text not in written()
    assert text[:20] not in written()
    assert "there" in written()


@pytest.mark.parametrize(
    "credential",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "ccr_" + "Zk3pQ9" * 7,
        "cct_abc",
        "cc1.abcdef",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "Bearer abc",
        "bearer abc",
        "Basic YTpi",
        "password=hunter2",
        "PASSWORD: hunter2",
        "'password': 'hunter2'",
        '"new_password": "hunter2"',
        "refresh_token=abc",
        "client_secret=abc",
        "totp=123456",
        "otp_code: 123456",
        "-----BEGIN PRIVATE KEY-----\nMC4C\nAQAw\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMC4C\nAQAw",
    ],
)
def test_what_looks_like_a_credential_is_redacted(written, logger, credential):
    logger.info("before %s", credential)
    assert REDACTED in written()
    assert "before" in written()
    for piece in ("hunter2", "abc", "YTpi", "123456", "MC4C", "AQAw", "c2ln", "aGFzaA"):
        assert piece not in written()


@pytest.mark.parametrize(
    "harmless",
    [
        "GET /api/v1/keys 200",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        "key rotated, version 2",
        "Invalid HTTP_HOST header: 'a'",
    ],
)
def test_what_is_harmless_stays(written, logger, harmless):
    logger.info(harmless)
    assert harmless in written()


@json_only
def test_a_line_break_in_a_message_does_not_begin_another_record(written, logger):
    logger.info("one\n%s", '{"message": "forged"}')
    assert len(written().splitlines()) == 1


def test_database_statements_are_not_logged_at_any_level(written):
    logging.getLogger("django.db.backends").debug("SELECT %s", "parameter-marker")
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
