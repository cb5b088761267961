"""The MAC of a row of ``audit_logs``: proof that the application wrote it, before the tree covers it."""

import base64
from collections.abc import Mapping

from audit.entries import ENTRY_VERSION, mac_bytes
from ciphercanary import system_keys
from ciphercanary.crypto.mac import compute_mac


def compute_entry_mac(row_values: Mapping[str, object]) -> str:
    """``<entry version>.<kid>.<base64url>`` of HMAC-SHA-256 (FIPS 198-1) over ``mac_bytes``.

    The database holds the key only wrapped: who can write rows cannot make their MACs.
    """
    kid, key = system_keys.mac_key(system_keys.AUDIT_MAC)
    tag = compute_mac(key, mac_bytes(row_values))
    return f"{ENTRY_VERSION}.{kid}.{base64.urlsafe_b64encode(tag).decode()}"
