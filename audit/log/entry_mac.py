"""The MAC of a row of ``audit_logs``: proof that the application wrote it, before the tree covers it.

It covers the ``mac_bytes`` of ``audit.log.entries``.
"""

from audit.log.entries import ENTRY_VERSION
from kernel.trust import system_keys


def compute_entry_mac(covered: bytes) -> str:
    """``<entry version>.<kid>.<base64url>`` of HMAC-SHA-256."""
    return system_keys.make_mac(system_keys.AUDIT_MAC, ENTRY_VERSION, covered)


def open_entry_key() -> None:
    """Read and unwrap the key, so that the next ``compute_entry_mac`` asks no database."""
    system_keys.open_key(system_keys.AUDIT_MAC)


def check_entry_mac(covered: bytes, mac: object) -> None:
    """Raises MacMismatch unless ``mac``, a column as it was read, was made by ``compute_entry_mac``."""
    system_keys.check_mac(system_keys.AUDIT_MAC, ENTRY_VERSION, covered, str(mac))
