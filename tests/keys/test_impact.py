"""Each operation with a key protects data, processes protected data, or does neither."""

from crypto_ops import actions
from keys.impact import PROCESSED, PROTECTED


def operations_ending_with(ends):
    return {action for action in actions.LABELS if action.startswith("crypto.") and action.endswith(ends)}


def test_operations_that_protect_data_are_known():
    assert operations_ending_with(PROTECTED) == {
        actions.MESSAGE_ENCRYPTED,
        actions.STREAM_ENCRYPTED,
        actions.DATA_KEY_GENERATED,
        actions.RANDOM_GENERATED,  # of no key
        actions.MESSAGE_SIGNED,
        actions.JWT_SIGNED,
        actions.CSR_SIGNED,
        actions.MAC_COMPUTED,
        actions.ENCAPSULATED,
    }


def test_operations_that_process_protected_data_are_known():
    assert operations_ending_with(PROCESSED) == {
        actions.MESSAGE_DECRYPTED,
        actions.STREAM_DECRYPTED,
        actions.SIGNATURE_VERIFIED,
        actions.MAC_VERIFIED,
        actions.DECAPSULATED,
    }
