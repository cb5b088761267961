"""The MAC of a row of ``audit_logs``: proof that the application wrote it, before the tree covers it."""

from collections.abc import Mapping

from audit import canonical
from audit.entries import ENTRY_VERSION, Members, mac_bytes
from ciphercanary import system_keys


def compute_entry_mac(row_values: Mapping[str, object]) -> str:
    """``<entry version>.<kid>.<base64url>`` of HMAC-SHA-256 over ``mac_bytes``."""
    return system_keys.make_mac(system_keys.AUDIT_MAC, ENTRY_VERSION, mac_bytes(row_values))


def mac_of_members(members: Members) -> str:
    """The same of a row that is in its canonical form already, without ``id``."""
    return system_keys.make_mac(system_keys.AUDIT_MAC, ENTRY_VERSION, canonical.encode_members(members))


def open_entry_key() -> None:
    """Read and unwrap the key, so that the next ``compute_entry_mac`` asks no database."""
    system_keys.open_key(system_keys.AUDIT_MAC)


def check_entry_mac(row_values: Mapping[str, object]) -> None:
    """Raises MacMismatch unless ``mac`` was made by ``compute_entry_mac`` of the other columns."""
    check_mac_of(mac_bytes(row_values), row_values["mac"])


def check_mac_of(covered: bytes, mac: object) -> None:
    """Raises MacMismatch unless ``mac`` is that of ``mac_bytes`` that are there already."""
    system_keys.check_mac(system_keys.AUDIT_MAC, ENTRY_VERSION, covered, str(mac))
