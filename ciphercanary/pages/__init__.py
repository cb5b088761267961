"""The browser door's furniture: a view that denies by default, forms that keep what was typed, one shell."""

from ciphercanary.pages.forms import PageForm, ReasonForm
from ciphercanary.pages.views import PageView
from ciphercanary.rules import AUTHENTICATED, PUBLIC, Caller, Rule

__all__ = ["AUTHENTICATED", "PUBLIC", "Caller", "PageForm", "PageView", "ReasonForm", "Rule"]
