"""Forms whose response shows a secret: submitting the same form again, as a reload does, creates nothing."""

from uuid import uuid4

from django.http import HttpRequest

_FORM = "form-number"  # the hidden input, and the entry of the session: the last form that was accepted


def new_form_number() -> str:
    return uuid4().hex


def was_accepted(request: HttpRequest) -> bool:
    """Whether this session has already accepted the submitted form."""
    number = request.POST.get(_FORM, "")
    return bool(number) and request.session.get(_FORM) == number


def accept(request: HttpRequest) -> None:
    """Remember the submitted form."""
    request.session[_FORM] = request.POST.get(_FORM, "")
