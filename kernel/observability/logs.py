"""Structured logs: ECS field names, an allow list of fields, and redaction.

A record carries its message, level, logger, time, request id and the fields of ``ALLOWED_FIELDS``. All other fields
are dropped. In the remaining text, anything that resembles a credential is redacted.
"""

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import structlog

from kernel import __version__
from kernel.observability.redaction import redact

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")

ALLOWED_FIELDS = frozenset(
    {
        "@timestamp",
        "ecs.version",
        "log.level",
        "log.logger",
        "message",
        "error.type",
        "error.stack_trace",
        "http.request.id",
        "service.name",
        "service.version",
        "span.id",
        "trace.id",
    }
)
_NEVER_A_SECRET = {"error.stack_trace"}  # names of our own files, which look like base64
LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
FORMATS = {"auto", "json", "text"}
_ECS_VERSION = "8.11.0"
_QUIETER = {
    # The parameters of a statement are user data: keep them out of the log at every level.
    "django.db.backends": "WARNING",
    # The audit log records refusals, and failures are logged where they are handled.
    "django.request": "CRITICAL",
    # Any client could fill the disk with requests for made-up hosts.
    "django.security.DisallowedHost": "CRITICAL",
    # At DEBUG it logs the headers of requests, which contain session tokens.
    "botocore": "WARNING",
    # One line per failed connection attempt; the resulting error is logged once.
    "psycopg.pool": "ERROR",
    # One line per delivery, every few seconds; the row of a job holds its result.
    "celery.app.trace": "WARNING",
    "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING",
}
type _Fields = MutableMapping[str, Any]


def configure(*, level: str, log_format: str, service: str, has_traces: bool) -> None:
    """Send every logger of the process through one formatter.

    ``log_format`` is ``json``, ``text``, or ``auto``: JSON unless standard error is a terminal. ``service`` is the name of the service in JSON. If ``has_traces``, lines carry the ids of the current span.
    """
    logging.config.dictConfig(
        configuration(level=level, log_format=log_format, service=service, has_traces=has_traces)
    )


def configuration(*, level: str, log_format: str, service: str, has_traces: bool) -> dict[str, Any]:
    """The ``logging.config.dictConfig`` that ``configure`` applies."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": formatter,
                "log_format": log_format,
                "service": service,
                "has_traces": has_traces,
            }
        },
        "handlers": {
            # Not sys.stderr, which standard_error.capture may have replaced.
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "stream": "ext://sys.__stderr__",
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {name: {"level": level} for name, level in _QUIETER.items()},
    }


def formatter(*, log_format: str, service: str, has_traces: bool) -> logging.Formatter:
    """The formatter of ``configuration``."""
    processors: list[Any] = [_add_record_fields]
    if has_traces:
        processors.append(_add_trace_ids)
    processors += [_keep_allowed, _redact]
    if log_format == "json" or (log_format == "auto" and not is_terminal()):
        processors += [_AddConstants(service), structlog.processors.JSONRenderer()]
    else:
        processors.append(structlog.dev.ConsoleRenderer())
    return structlog.stdlib.ProcessorFormatter(
        processors=processors, foreign_pre_chain=[structlog.stdlib.ExtraAdder()]
    )


def is_terminal() -> bool:
    """Whether a person reads standard error."""
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


def _add_record_fields(_logger: Any, _method: str, fields: _Fields) -> _Fields:
    record: logging.LogRecord = fields["_record"]
    fields["message"] = str(fields.pop("event", ""))
    fields["@timestamp"] = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", {})["timestamp"]
    fields["log.level"] = record.levelname.lower()
    fields["log.logger"] = record.name
    fields["http.request.id"] = current_request_id.get()
    exception, trace = (fields.get("exc_info") or (None, None, None))[::2]
    if exception:
        fields["error.type"] = exception.__name__
        fields["error.stack_trace"] = _stack(trace)
    return fields


def _add_trace_ids(_logger: Any, _method: str, fields: _Fields) -> _Fields:
    return {**fields, **trace_ids()}


def trace_ids() -> dict[str, str]:
    """The fields of the current span; empty outside any span. Only if traces are on."""
    from opentelemetry import trace  # noqa: PLC0415 - not loaded while traces are off

    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return {}
    trace_id, span_id = trace.format_trace_id(current.trace_id), trace.format_span_id(current.span_id)
    return {"trace.id": trace_id, "span.id": span_id}


class _AddConstants:
    """Adds the fields that a collector of many logs needs. Text for people does not need them."""

    def __init__(self, service: str) -> None:
        self._fields = {
            "service.name": service,
            "service.version": __version__,
            "ecs.version": _ECS_VERSION,
        }

    def __call__(self, _logger: Any, _method: str, fields: _Fields) -> _Fields:
        return {**fields, **self._fields}


def _stack(trace: TracebackType | None) -> str:
    """File, line and function of each frame. The exception's text is omitted because it may quote a value."""
    frames = []
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(reversed(frames))


def _keep_allowed(_logger: Any, _method: str, fields: _Fields) -> _Fields:
    return {name: value for name, value in fields.items() if name in ALLOWED_FIELDS and value != ""}


def _redact(_logger: Any, _method: str, fields: _Fields) -> _Fields:
    return {
        name: redact(value) if isinstance(value, str) and name not in _NEVER_A_SECRET else value
        for name, value in fields.items()
    }
