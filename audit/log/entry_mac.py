"""The MAC of an ``audit_logs`` row: it proves that the application wrote the row, before the tree covers it.

The MAC covers the ``mac_bytes`` of ``audit.log.entries``.
"""

from collections.abc import Callable

from kernel.trust import system_keys


def compute_entry_mac(covered: bytes, version: int) -> str:
    """``<entry version>.<kid>.<base64url>`` of HMAC-SHA-256."""
    return system_keys.make_mac(system_keys.AUDIT_MAC, version, covered)


def open_entry_key() -> None:
    """Read and unwrap the key, so that the next ``compute_entry_mac`` needs no query."""
    system_keys.open_key(system_keys.AUDIT_MAC)


def check_entry_mac(covered: bytes, version: int, mac: object) -> None:
    """Raises MacMismatch unless ``compute_entry_mac`` made ``mac``, an unvalidated column value."""
    system_keys.check_mac(system_keys.AUDIT_MAC, version, covered, str(mac))


def entry_maker(version: int) -> Callable[[bytes], str]:
    """``compute_entry_mac`` for many rows of one version."""
    return system_keys.mac_maker(system_keys.AUDIT_MAC, version)
