"""Base classes of the REST interface: a view that denies by default, strict input, paging, one error format."""

from kernel.rest.fields import (
    Base64Field,
    ChoiceField,
    GeneratedAlgorithmField,
    KeyAlgorithmField,
    KeyAlgorithmOrAliasField,
    LabelField,
    MacModeField,
    ModeField,
    NameField,
    PageQuery,
    PageSerializer,
    PublicKeyField,
    SecretModeField,
    SigningModeField,
    StrictSerializer,
    TimestampField,
    represent,
)
from kernel.rest.idempotency import idempotent
from kernel.rest.views import ApiView, DownloadView
from kernel.rules import AUTHENTICATED, ENROLLING, PUBLIC, Access, Caller, Rule

__all__ = [
    "AUTHENTICATED",
    "ENROLLING",
    "PUBLIC",
    "Access",
    "ApiView",
    "Base64Field",
    "Caller",
    "ChoiceField",
    "DownloadView",
    "GeneratedAlgorithmField",
    "KeyAlgorithmField",
    "KeyAlgorithmOrAliasField",
    "LabelField",
    "MacModeField",
    "ModeField",
    "NameField",
    "PageQuery",
    "PageSerializer",
    "PublicKeyField",
    "Rule",
    "SecretModeField",
    "SigningModeField",
    "StrictSerializer",
    "TimestampField",
    "idempotent",
    "represent",
]
