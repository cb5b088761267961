"""The base of the REST interfaces of the engine."""

from typing import Any

import django.db
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from accounts.tokens.authentication import KnownBearerAuthentication, require_current_rights
from kernel.errors import DomainError, Unavailable
from kernel.freshness.stamps import StaleDecision
from kernel.http.context import in_context, set_audit_object
from kernel.rest.views import ApiView


class EngineView(ApiView[Principal]):
    """A frequent operation. A token that this process has verified costs no statement.

    The commit of the operation compares the caller's rights. A refusal has no commit, so it compares them itself. If
    they have changed, the request is repeated, and the token is verified again.
    """

    authentication_classes = [KnownBearerAuthentication]
    _is_repeated = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except StaleDecision:
            self._is_repeated, self._charged = True, ""
            set_audit_object(request, "", "")
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        in_context(request).body  # noqa: B018 - Django keeps the body that it has read, for a repetition

    def require_current_rights(self) -> None:
        """Raises StaleDecision, which repeats the request. Call it for a response without a commit."""
        if not self._is_repeated:
            require_current_rights(self.request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, StaleDecision) and not self._is_repeated:
            raise exc
        # An operation that the log may have recorded must not be repeated, so ``Unavailable`` is final.
        if isinstance(exc, DomainError | APIException) and not isinstance(exc, Unavailable):
            try:
                self.require_current_rights()
            except django.db.Error as error:
                exc = error
        return super().handle_exception(exc)
