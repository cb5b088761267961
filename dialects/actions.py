"""Audit actions of requests to a dialect that use no key.

Operations with keys have the actions of the engine and of keys.
"""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

HEALTH_READ: Final = LABELS.add("vault.health.read", "Read health (Vault)")
SEAL_READ: Final = LABELS.add("vault.seal.read", "Read seal status (Vault)")
LEADER_READ: Final = LABELS.add("vault.leader.read", "Read leader (Vault)")
MOUNTS_READ: Final = LABELS.add("vault.mounts.read", "List mounts (Vault)")
CAPABILITIES_READ: Final = LABELS.add("vault.capabilities.read", "Read capabilities (Vault)")
TOKEN_READ: Final = LABELS.add("vault.token.read", "Look up own token (Vault)")
TOKEN_RENEWED: Final = LABELS.add("vault.token.renewed", "Renew own token (Vault)")
HASH_COMPUTED: Final = LABELS.add("vault.hash.computed", "Compute hash (Vault)")
PATH_REFUSED: Final = LABELS.add("vault.path.refused", "Request unknown path (Vault)")
