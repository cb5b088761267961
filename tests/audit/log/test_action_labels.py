"""Every action has a label for pages, and each outcome a word."""

import re

import pytest

from audit.log.action_labels import describe, label_of
from tests.architecture.test_rules import declared_actions

# A capital and lower-case words. Names of controls are in double quotes.
LABEL = re.compile(r'[A-Z][a-z-]+( ([A-Z]{3}|[a-z-]+|"[A-Z][a-z ]+"))*')


def test_every_action_has_a_label_in_sentence_case():
    labels = {action: label_of(action) for action in declared_actions()}
    assert {action: label for action, label in labels.items() if not LABEL.fullmatch(label)} == {}
    assert len(set(labels.values())) == len(labels)


@pytest.mark.parametrize(
    ("action", "outcome", "title"),
    [
        ("crypto.message.decrypted", "ok", "Decrypt — allowed"),
        ("keys.key.revoked", "denied", "Revoke key — denied"),
        ("crypto.message.decrypted", "error", "Decrypt — failed"),
        ("never.heard.of", "ok", "never.heard.of — allowed"),
        ("never.heard.of", "unknown", "never.heard.of"),
    ],
)
def test_a_title_has_the_label_and_the_outcome(action, outcome, title):
    assert describe(action, outcome) == title
