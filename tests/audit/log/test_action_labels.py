"""Every action has a label for pages, and each outcome a word."""

import re

import pytest

from audit.log.action_labels import label_of
from audit.models import AuditLog
from tests.architecture.test_rules import declared_actions

# A capital and lower-case words. Names of controls are in double quotes.
LABEL = re.compile(r'[A-Z][a-z-]+( ([A-Z]{3}|[a-z-]+|"[A-Z][a-z ]+"))*')


def test_every_action_has_a_label_in_sentence_case():
    labels = {action: label_of(action) for action in declared_actions()}
    assert {action: label for action, label in labels.items() if not LABEL.fullmatch(label)} == {}
    assert len(set(labels.values())) == len(labels)


@pytest.mark.parametrize(
    ("actor_type", "action", "outcome", "title"),
    [
        ("user", "crypto.message.decrypted", "ok", "Decrypt — allowed"),
        ("user", "keys.key.revoked", "denied", "Revoke key — denied"),
        ("user", "crypto.message.decrypted", "error", "Decrypt — failed"),
        ("system", "audit.writer.heartbeat", "ok", "Write heartbeat entry"),
        ("system", "audit.writer.heartbeat", "error", "Write heartbeat entry — failed"),
        ("user", "never.heard.of", "ok", "never.heard.of — allowed"),
        ("user", "never.heard.of", "unknown", "never.heard.of"),
    ],
)
def test_a_title_has_the_label_and_the_result_unless_it_is_routine(actor_type, action, outcome, title):
    assert AuditLog(actor_type=actor_type, action=action, outcome=outcome).title == title
