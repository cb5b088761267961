"""Converts every exception that a view can raise into a domain error, rendered in one format."""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.views import APIView

from kernel import errors
from kernel.databases.commit_waits import CommitUnconfirmed
from kernel.http import problems
from kernel.http.context import in_context
from kernel.http.problems import InternalError, ProtocolError
from kernel.http.protocol_refusals import body_too_large, method_not_allowed

logger = logging.getLogger(__name__)

type _Context = Mapping[str, Any]


def handle_exception(error: Exception, context: _Context) -> HttpResponse:
    """DRF's hook: render any exception of a view as a problem document."""
    return problems.render(in_context(context["request"]), translate(error, context.get("view")))


def translate(error: Exception, view: APIView | None = None) -> errors.DomainError:
    """The domain error for an exception. An unexpected exception is logged and becomes ``internal``."""
    if isinstance(error, errors.DomainError):
        return error
    if isinstance(error, exceptions.APIException):
        return _translate_rest(error, view)
    for kind, known in _FOREIGN.items():
        if isinstance(error, kind):
            return known()
    if type(error) is DatabaseError and isinstance(
        error.__cause__, sqlite3.DatabaseError
    ):  # of the file, or its schema
        logger.error("the database is damaged", exc_info=error)
        return errors.DatabaseUnavailable()
    logger.error("unhandled exception", exc_info=error)
    return InternalError()


def _translate_rest(error: exceptions.APIException, view: APIView | None) -> errors.DomainError:
    match error:
        case exceptions.ValidationError():
            return invalid(error)
        case exceptions.MethodNotAllowed():
            return method_not_allowed(view.allowed_methods if view else ())
        case exceptions.UnsupportedMediaType():
            accepted = (
                " or ".join(parser.media_type or "" for parser in view.parser_classes) if view else "JSON"
            )
            return ProtocolError(
                f"Send {accepted}.",
                status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                code="unsupported_media_type",
            )
        case exceptions.NotAcceptable():
            rendered = (
                " or ".join(renderer.media_type for renderer in view.renderer_classes) if view else "JSON"
            )
            return ProtocolError(
                f"The server can only send {rendered}.",
                status=HTTPStatus.NOT_ACCEPTABLE,
                code="not_acceptable",
            )
        case exceptions.ParseError():
            return errors.Invalid("The body cannot be read.")
    logger.error("unhandled exception", exc_info=error)
    return InternalError()


_FOREIGN: Mapping[type[Exception], Callable[[], errors.DomainError]] = {
    Http404: errors.NotFound,
    PermissionDenied: lambda: errors.Denied("You do not have permission to do this."),
    RequestDataTooBig: lambda: body_too_large(settings.CC_MAX_BODY_BYTES),
    SuspiciousOperation: lambda: errors.Invalid("The request is malformed."),
    CommitUnconfirmed: errors.OutcomeUnknown,  # before its base class
    OperationalError: errors.DatabaseUnavailable,
    InterfaceError: errors.DatabaseUnavailable,
}


def invalid(error: exceptions.ValidationError) -> errors.Invalid:
    """DRF's nested messages as ``{"options.mode": [...]}``; the first of them becomes the detail."""
    fields = dict(_flatten(error.detail, ""))
    name, messages = next(iter(fields.items()), ("", ["The request is not valid."]))
    return errors.Invalid(f"{name}: {messages[0]}" if name else messages[0], fields=fields)


def _flatten(detail: Any, name: str) -> list[tuple[str, list[str]]]:
    if isinstance(detail, Mapping):
        return [pair for key, value in detail.items() for pair in _flatten(value, _join(name, str(key)))]
    if isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        return [pair for index, item in enumerate(detail) for pair in _flatten(item, _join(name, str(index)))]
    messages = detail if isinstance(detail, list) else [detail]
    return [(name, [str(message) for message in messages])] if messages else []


def _join(name: str, key: str) -> str:
    return name if key == "non_field_errors" else f"{name}.{key}" if name else key
