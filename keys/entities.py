"""Entities, as in ``kernel.freshness.stamps``, whose epochs the changes of keys raise."""

from uuid import UUID

_ENTITY, _TAG, _POLICY = "key:", "tag:", "policy:"


def key_entity(key_id: UUID) -> str:
    """The entity, as in ``kernel.freshness.stamps``, of a key with its versions."""
    return f"{_ENTITY}{key_id}"


def tag_entity(tag: str) -> str:
    """The entity of the grants on a tag."""
    return f"{_TAG}{tag}"


def policy_entity(policy_id: UUID) -> str:
    """The entity of an encryption policy."""
    return f"{_POLICY}{policy_id}"


def is_shared(entity: str) -> bool:
    """Whether several keys may depend on the entity."""
    return entity.startswith((_TAG, _POLICY))


def key_of(entity: str) -> UUID | None:
    """The ID of the entity's key, or None if the entity is not a key."""
    return UUID(entity.removeprefix(_ENTITY)) if entity.startswith(_ENTITY) else None
