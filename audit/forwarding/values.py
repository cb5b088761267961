"""The fields of a log target: check and set them."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

from audit.forwarding.addresses import check_url
from audit.log.events import TEXT_LIMITS, Outcome
from audit.models import LogTarget
from audit.models.log_targets import WITH_TLS, HttpStyle, LogFormat
from kernel.crypto.material import KeyMaterial
from kernel.errors import Invalid
from kernel.labels import label_fault
from kernel.trust import kek

MOST_ACTIONS: Final = 20
CREDENTIAL_LIMIT: Final = 16 * 1024
_HEADER_LIMIT: Final = 2_000


class LogTargetValues(TypedDict, total=False):
    """The fields of a new target, or those to change. ``credential`` is the value of the header Authorization or,
    for syslog with TLS, a certificate and its private key in PEM form; "" for none. ``actions`` are beginnings of actions, such as ``accounts.``.
    """

    name: str
    url: str
    style: str
    format: str
    actions: Sequence[str]
    outcomes: Sequence[str]
    ca: str
    credential: str


def set_fields(target: LogTarget, changes: LogTargetValues) -> None:
    """Raises Invalid."""
    old_origin = target.origin
    for name, check in _CHECKS.items():
        if name in changes:
            value: Any = changes[name]  # type: ignore[literal-required]
            check(value)
            setattr(target, name, value if isinstance(value, str) else sorted(set(value)))
    _check_together(target)
    if "credential" in changes:
        _set_credential(target, changes["credential"])
    elif target.has_credential and target.origin != old_origin:
        raise Invalid.of_field("credential", "Enter the credential again, because the server changes.")


def _check_together(target: LogTarget) -> None:
    if target.ca and target.scheme not in WITH_TLS:
        raise Invalid.of_field("ca", "Only https, relp+tls and tls have certificates.")
    if target.style != HttpStyle.LINES and target.scheme != "https":
        raise Invalid.of_field(
            "style", "This request body works only with https. Choose “One entry on each line” (lines)."
        )
    if target.style == HttpStyle.ELASTIC and target.format == LogFormat.CEF:
        raise Invalid.of_field(
            "format", "Elasticsearch accepts only JSON. Choose canonical JSON, ECS or OCSF."
        )


def _set_credential(target: LogTarget, credential: str) -> None:
    if not credential:
        target.kek_id, target.wrapped = "", b""
        return
    if target.scheme not in WITH_TLS:
        raise Invalid.of_field("credential", "Only https, relp+tls and tls have a credential.")
    (_check_header if target.scheme == "https" else _check_identity)(credential)
    kek.wrap_into(target, KeyMaterial(credential.encode(), least=1))


def _check_header(credential: str) -> None:
    if len(credential) > _HEADER_LIMIT or not (credential.isascii() and credential.isprintable()):
        raise Invalid.of_field("credential", f"Use at most {_HEADER_LIMIT} printable ASCII characters.")


def _check_identity(credential: str) -> None:
    from kernel.http.pinned import load_identity  # noqa: PLC0415 - loads urllib3, which web processes seldom need

    try:
        load_identity(ssl.create_default_context(), credential.encode())
    except (ssl.SSLError, ValueError):
        fault = "Use a certificate and its private key in PEM form, without a password."
        raise Invalid.of_field("credential", fault) from None


def _check_name(name: str) -> None:
    if fault := label_fault(name, LogTarget.NAME_LIMIT):
        raise Invalid.of_field("name", fault)


def _check_actions(given: Sequence[str]) -> None:
    if len(given) > MOST_ACTIONS or any(
        not text or len(text) > TEXT_LIMITS["action"] or not text.isascii() for text in given
    ):
        raise Invalid.of_field(
            "actions", f"Use at most {MOST_ACTIONS} beginnings of actions, such as accounts."
        )


def _check_ca(pem: str) -> None:
    fault = Invalid.of_field("ca", "Use certificates in PEM form, at most 32 KiB.")
    if len(pem) > LogTarget.CA_LIMIT:
        raise fault
    if not pem:
        return
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):  # TypeError: not ASCII
        raise fault from None


def _one_of(field: str, words: Sequence[str]) -> Callable[[str], None]:
    def check(word: str) -> None:
        if word not in words:
            raise Invalid.of_field(field, f"Choose one of {', '.join(words)}.")

    return check


def _check_outcomes(given: Sequence[str]) -> None:
    for word in given:
        _one_of("outcomes", [*Outcome])(word)


_CHECKS: Final[Mapping[str, Callable[..., None]]] = {
    "name": _check_name,
    "url": check_url,
    "style": _one_of("style", [*HttpStyle]),
    "format": _one_of("format", [*LogFormat]),
    "actions": _check_actions,
    "outcomes": _check_outcomes,
    "ca": _check_ca,
}
