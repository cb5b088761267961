"""The REST door's own furniture: a view that denies by default, strict input, paging, one error shape."""

from kernel.rest.fields import (
    Base64Field,
    KeyAlgorithmField,
    KeyAlgorithmOrAliasField,
    LabelField,
    ModeField,
    PageQuery,
    PageSerializer,
    StrictSerializer,
    TimestampField,
)
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, PUBLIC, Access, Caller, Rule

__all__ = [
    "AUTHENTICATED",
    "PUBLIC",
    "Access",
    "ApiView",
    "Base64Field",
    "Caller",
    "KeyAlgorithmField",
    "KeyAlgorithmOrAliasField",
    "LabelField",
    "ModeField",
    "PageQuery",
    "PageSerializer",
    "Rule",
    "StrictSerializer",
    "TimestampField",
]
