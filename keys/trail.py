"""The declared fields of a row for the audit trail. No field is secret, and wrapped material is not included."""

from keys.models import Key, KeyGrant, KeyVersion, TransitKey

type Values = dict[str, object]


def key_values(key: Key) -> Values:
    return {
        "name": key.name,
        "description": key.description,
        "tags": list(key.tags),
        "algorithm": key.algorithm,
        "purpose": key.purpose,
        "modes": list(key.modes),
        "state": str(key.state),
        "activates_at": key.activates_at,
        "expires_at": key.expires_at,
        "resumes_at": key.resumes_at,
        "primary_version": key.primary_version,
        "rotation_period_days": key.rotation_period_days,
        "is_default": key.is_default,
        "policy_id": key.policy_id,
        "exportable": key.exportable,
        "origin": str(key.origin),
        "deletion_protection": key.deletion_protection,
        "min_decryption_version": key.min_decryption_version,
        "deletion_at": key.deletion_at,
        "successor_id": key.successor_id,
        "created_by": key.created_by_id,
        "service_account_id": key.service_account_id,
        "row_seq": key.row_seq,
    }


def version_values(version: KeyVersion) -> Values:
    return {
        "key_id": version.key_id,
        "version": version.version,
        "state": str(version.state),
        "kek_id": version.kek_id,
        "destruction_at": version.destruction_at,
        "row_seq": version.row_seq,
        **({} if version.public_key is None else {"public_key_sha256": version.fingerprint}),
    }


def transit_values(transit: TransitKey) -> Values:
    return {
        "key_id": transit.key_id,
        "mount": transit.mount,
        "name": transit.name,
        "min_encryption_version": transit.min_encryption_version,
        "allow_plaintext_backup": transit.allow_plaintext_backup,
    }


def grant_values(grant: KeyGrant) -> Values:
    return {
        "key_id": grant.key_id,
        "tag": grant.tag,
        "principal_type": grant.principal_type,
        "principal_id": grant.principal_id,
        "operations": grant.operations,
        "networks": grant.networks,
        "expires_at": grant.expires_at,
    }
