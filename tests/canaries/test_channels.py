"""Which channels officers can add, and where they leave no trace."""

import pytest
from django.apps import apps

from canaries.documents import HOST, ChannelKind
from canaries.models import JournalPage, SealedDocument
from canaries.sealed import journal
from canaries.sealed.store import read_incidents, read_set
from canaries.services.channels import (
    MOST_CHANNELS,
    add_channel,
    check_target,
    list_channels,
    remove_channel,
    send_test,
)
from kernel.errors import Conflict, Invalid, NotFound

EMAIL, WEBHOOK, SYSLOG = ChannelKind.EMAIL, ChannelKind.WEBHOOK, ChannelKind.SYSLOG
SEALED = {SealedDocument, JournalPage}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (EMAIL, "officer@example.org"),
        (EMAIL, f"{'x' * 242}@example.org"),
        (WEBHOOK, "https://hooks.example.org/x?y"),
        (SYSLOG, "tls://siem.example.org"),
        (SYSLOG, "relp+tls://siem.example.org:2514"),
    ],
)
def test_a_target_that_a_delivery_can_use_is_accepted(kind, target, mail_server):
    check_target(kind, target)


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        (EMAIL, "officer", "Use an e-mail address"),
        (EMAIL, f"{'x' * 243}@example.org", "Use an e-mail address"),
        (EMAIL, "a@example.org\nBcc: b@example.org", "Use an e-mail address"),
        (WEBHOOK, "http://hooks.example.org/", "begins with https://"),
        (WEBHOOK, "https://169.254.169.254/", "not public"),
        (SYSLOG, "tcp://siem.example.org:514", "begins with tls:// or relp\\+tls://"),
        (SYSLOG, "file:///var/log/x", "begins with tls://"),
        (SYSLOG, "https://siem.example.org/", "begins with tls://"),
        (SYSLOG, "tls://siem.example.org/path", "Remove the path"),
        (SYSLOG, "tls://10.0.0.1", "not public"),
    ],
)
def test_other_targets_are_refused_with_the_field(kind, target, message, mail_server):
    with pytest.raises(Invalid, match=message) as refusal:
        check_target(kind, target)
    assert list(refusal.value.fields) == ["target"]


def test_an_email_needs_a_mail_server():
    with pytest.raises(Conflict, match="CC_SMTP_HOST"):
        check_target(EMAIL, "officer@example.org")


@pytest.mark.django_db(transaction=True)
def test_acts_on_channels_change_the_sealed_tables_only(sealed, mail_server):
    tables = [model for model in apps.get_models(include_auto_created=True) if model not in SEALED]
    before = {model: model._default_manager.count() for model in tables}
    added = add_channel(by=HOST, kind=WEBHOOK, target="https://hooks.example.org/")
    email = add_channel(by=HOST, kind=EMAIL, target="officer@example.org")
    assert (email.secret, email.channel.secret) == ("", "")
    send_test(by=HOST, channel_id=added.channel.id)
    [webhook, _] = list_channels()
    assert (webhook.channel, webhook.waiting) == (read_set().channels[0], 3)
    assert added.secret.removeprefix("whsec_") == webhook.channel.secret
    assert webhook.channel.secret not in f"{added} {webhook} {read_set()}"
    remove_channel(by=HOST, channel_id=added.channel.id)
    with pytest.raises(NotFound):
        send_test(by=HOST, channel_id=added.channel.id)
    [left] = read_set().channels
    assert {left.id} < {each for notice in read_incidents().notices for each in notice.waiting}
    assert {model: model._default_manager.count() for model in tables} == before
    acts = [record for each in journal.read() for record in each.page.records if "by" in record.facts]
    about, label = {"by": HOST, "channel": str(added.channel.id)}, "webhook https://hooks.example.org"
    assert [(act.word, act.facts) for act in acts if act.facts.get("channel") == about["channel"]] == [
        ("channel.added", {**about, "label": label}),
        ("channel.tested", about),
        ("channel.removed", {**about, "label": label}),
    ]


@pytest.mark.django_db(transaction=True)
def test_channels_are_distinct_and_bounded(sealed):
    with pytest.raises(Invalid):
        add_channel(by=HOST, kind=SYSLOG, target="tcp://siem.example.org:514")
    for number in range(MOST_CHANNELS):
        add_channel(by=HOST, kind=SYSLOG, target=f"tls://siem{number}.example.org")
    with pytest.raises(Conflict, match="exists already"):
        add_channel(by=HOST, kind=SYSLOG, target="tls://siem0.example.org")
    with pytest.raises(Conflict, match=f"{MOST_CHANNELS} channels"):
        add_channel(by=HOST, kind=SYSLOG, target="tls://other.example.org")
