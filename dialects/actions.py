"""Audit actions of requests to a dialect that use no key.

Operations with keys have the actions of the engine and of keys.
"""

from typing import Final

from kernel.actions import Actions

LABELS: Final = Actions()

HEALTH_READ: Final = LABELS.add("vault.health.read", "Read transit health")
SEAL_READ: Final = LABELS.add("vault.seal.read", "Read seal status")
LEADER_READ: Final = LABELS.add("vault.leader.read", "Read leader")
MOUNTS_READ: Final = LABELS.add("vault.mounts.read", "List mounts")
CAPABILITIES_READ: Final = LABELS.add("vault.capabilities.read", "Read capabilities")
TOKEN_READ: Final = LABELS.add("vault.token.read", "Look up own token")
TOKEN_RENEWED: Final = LABELS.add("vault.token.renewed", "Renew own token")
HASH_COMPUTED: Final = LABELS.add("vault.hash.computed", "Compute hash")
PATH_REFUSED: Final = LABELS.add("vault.path.refused", "Request unknown transit path")
