"""System checks of the settings of this app. See ``kernel.checks``."""

import ipaddress
import os
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from kernel.outbox.topics import selectable_topics


@register()
def _check_email(**_kwargs: Any) -> Iterable[CheckMessage]:
    given = settings.CC_NOTIFICATIONS
    if given.smtp_host and not (given.sender and given.emails):
        yield Error(
            "CC_SMTP_HOST needs CC_NOTIFY_FROM and CC_NOTIFY_EMAILS.",
            hint="Set both to e-mail addresses. To turn e-mail off, unset CC_SMTP_HOST.",
            id="ciphercanary.E030",
        )
    for address in (*given.emails, *([given.sender] if given.sender else [])):
        if not is_address(address):
            yield Error(
                f"CC_NOTIFY_EMAILS and CC_NOTIFY_FROM: {address} is not an e-mail address.",
                hint="Use an address such as keys@example.org.",
                id="ciphercanary.E031",
            )


@register()
def _check_topics(**_kwargs: Any) -> Iterable[CheckMessage]:
    known = [topic.word for topic in selectable_topics()]
    for word in settings.CC_NOTIFICATIONS.topics:
        if word not in known:
            yield Error(
                f"CC_NOTIFY_TOPICS: {word} is not a topic.",
                hint=f"Use some of {', '.join(known)}.",
                id="ciphercanary.E032",
            )


@register()
def _check_webhooks(**_kwargs: Any) -> Iterable[CheckMessage]:
    given = settings.CC_NOTIFICATIONS
    for network in given.allowed_networks:
        if not _is_network(network):
            yield Error(
                f"CC_WEBHOOK_ALLOWED_NETWORKS: {network} is not a network.",
                hint="Use a network such as 10.0.0.0/8.",
                id="ciphercanary.E033",
            )
    if given.ca_file and not os.access(given.ca_file, os.R_OK):
        yield Error(
            "CC_WEBHOOK_CA_FILE cannot be read.",
            hint="Check the path of the PEM file and its permissions.",
            id="ciphercanary.E034",
        )


def is_address(text: str) -> bool:
    name, _, domain = text.rpartition("@")
    return bool(name and domain) and text.isprintable() and not set(text) & set(" ,<>")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
