"""Base classes of the browser interface: a view that denies by default, forms that keep their input, one shell."""

from kernel.pages.edit_forms import EditForm
from kernel.pages.forms import PageForm, ReasonForm
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, ENROLLING, PUBLIC, Caller, Rule

__all__ = [
    "AUTHENTICATED",
    "ENROLLING",
    "PUBLIC",
    "Caller",
    "EditForm",
    "PageForm",
    "PageView",
    "ReasonForm",
    "Rule",
]
