"""Standard error of a program: records like those of the log, one JSON document per line, or text on a terminal.

``capture`` covers what does not pass through a logger: the lines of a start, errors that a library prints, uncaught
exceptions, and warnings. It reads the environment itself, because the settings may be what is wrong.
"""

import io
import logging
import os
import sys
import threading
from types import TracebackType
from typing import IO, Any

from kernel.observability import logs

_LOGGER = "ciphercanary"
type _ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class JsonLines(io.TextIOBase):
    """A stream that writes each line of text as a record with the level error."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, stream: IO[str]) -> None:
        service = os.environ.get("OTEL_SERVICE_NAME") or "ciphercanary"  # noqa: TID251 - the settings may be unreadable
        self._stream = stream
        self._formatter = logs.formatter(log_format="json", service=service, has_traces=False)
        self._begun = threading.local()  # so that lines of two threads do not mix

    def write(self, text: str) -> int:
        *lines, self._begun.text = (getattr(self._begun, "text", "") + text).split("\n")
        for line in filter(str.strip, lines):
            self.write_record(line, logging.ERROR)
        return len(text)

    def write_record(self, message: str, level: int, error: _ErrorInfo | None = None) -> None:
        self._stream.write(self.record(message, level, error))
        self._stream.flush()

    def record(self, message: str, level: int, error: _ErrorInfo | None = None) -> str:
        """The line of a record. It has the type and the place of an error, and not its text."""
        record = logging.LogRecord(_LOGGER, level, "", 0, message, None, error)
        return f"{self._formatter.format(record)}\n"

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True


def capture(*, is_server: bool) -> None:
    """Write JSON instead of text to standard error, unless it is a terminal or ``LOG_FORMAT`` is ``text``.

    A program that is no server, such as a command in a pipe or of cron, does so only if ``LOG_FORMAT`` is ``json``.
    """
    wanted = os.environ.get("LOG_FORMAT", "auto")  # noqa: TID251 - the settings may be unreadable
    if logs.is_terminal() or wanted == "text" or not (is_server or wanted == "json"):
        return
    sys.stderr = JsonLines(sys.stderr)
    sys.excepthook = _write_uncaught
    sys.unraisablehook = threading.excepthook = _write_uncaught_of_thread
    logging.captureWarnings(capture=True)


def report(text: str, level: int = logging.ERROR) -> None:
    """Write a line for the operator, at every ``LOG_LEVEL``."""
    if isinstance(sys.stderr, JsonLines):
        sys.stderr.write_record(text, level)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def report_from_signal_handler(text: str) -> None:
    """Like ``report``, without the buffer of the stream, which the interrupted code may be writing to."""
    line = sys.stderr.record(text, logging.ERROR) if isinstance(sys.stderr, JsonLines) else f"{text}\n"
    os.write(sys.stderr.fileno(), line.encode())


def _write_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(sys.stderr, JsonLines):
        sys.stderr.write_record("uncaught exception", logging.CRITICAL, (kind, error, trace))


def _write_uncaught_of_thread(arguments: Any) -> None:
    """For ``threading.excepthook`` and ``sys.unraisablehook``, whose arguments have the same names."""
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        _write_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
