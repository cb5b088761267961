"""A page or an API view that shows facts of the log: it shows what was done just before."""

from typing import Any

from audit.sequencing.catching_up import catch_up_with_request


class ShowsLog:
    """Goes before the base class of the view. Reading methods catch up once the caller is admitted."""

    def _admit(self, request: Any, **kwargs: Any) -> Any:
        refusal = super()._admit(request, **kwargs)  # type: ignore[misc]  # of PageView and ApiView
        if refusal is None and request.method in {"GET", "HEAD"}:
            catch_up_with_request()
        return refusal
