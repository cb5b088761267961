"""Rules of the API that its OpenAPI document describes in words only, so that a generated request may break them."""

from typing import Any

# By operation: the fields that a refusal names, or its code.
IN_WORDS = {
    # Follow from the algorithm; an existing policy.
    "POST /api/v1/keys": {"key_size", "purpose", "policy_id"},
    # The material is a key of the algorithm in the format.
    "POST /api/v1/keys/import": {
        "material",
        "versions",
        "import_parameters_id",
        "policy_id",
        "purpose",
        "exportable",
    },
    "GET /api/v1/keys/{key_id}/jwks": {"signing_algorithm"},  # one of the key
    "GET /api/v1/keys/{key_id}/public-key": {"signing_algorithm"},  # likewise
    "POST /api/v1/keys/{key_id}/export": {"versions", "wrapping_key"},  # of the key; a public key
    "PATCH /api/v1/keys/{key_id}": {"policy_id", "min_decryption_version"},
    "POST /api/v1/keys/{key_id}/schedule-deletion": {"confirm_name"},
    "POST /api/v1/keys/{key_id}/versions/{version}/schedule-destruction": {"confirm_name"},
    "GET /api/v1/keys/{key_id}/impact": {"version", "min_decryption_version"},  # follow from the action
    # Agree with the algorithm; reencrypt needs grace_days.
    "POST /api/v1/policies": {"key_size", "allowed_modes", "rotation_policy"},
    "PATCH /api/v1/policies/{policy_id}": {"allowed_modes", "rotation_policy"},
    "POST /api/v1/policies/{policy_id}/preview": {"allowed_modes", "rotation_policy"},
    "POST /api/v1/decrypt": {
        "encrypted_data",
        "iv",
        "tag",
        "algorithm",
        "key_id",
        "key_version",
    },  # one of two forms
    "POST /api/v1/decrypt/batch": {"items"},  # likewise
    "POST /api/v1/encrypt": {"options", "key_id", "key_version"},  # agree with the algorithm
    # Each item has its own error, unless no key is named. Only deterministic modes take a version; some need a key.
    "POST /api/v1/encrypt/batch": {"items", "key_id", "key_version", "algorithm"},
    "POST /api/v1/reencrypt": {
        "ciphertext",
        "encrypted_data",
        "iv",
        "tag",
        "algorithm",
        "source_key_id",
        "key_version",
        "context",
        "unsupported_algorithm",
    },  # one of four forms; a mode of the key
    "POST /api/v1/reencryptions/{reencryption_id}/pages": {"items"},  # texts without NUL
    # A message or a digest of the right length; the algorithm is one of the key.
    "POST /api/v1/sign": {"message", "digest", "encoding", "unsupported_algorithm"},
    "POST /api/v1/verify": {"message", "digest", "encoding", "key_version", "unsupported_algorithm"},
    "POST /api/v1/mac/verify": {"key_version"},  # of the key
    "POST /api/v1/decapsulate": {"ciphertext", "key_version"},  # of the key
    "POST /api/v1/shared-secret": {"public_key", "key_version"},  # likewise
    # The size or a pair; the algorithm is one of the key.
    "POST /api/v1/data-keys": {"bits", "unsupported_algorithm"},
    "POST /api/v1/derive": {"context", "key_version"},  # at least one byte; a version of the key
    "POST /api/v1/sign/batch": {"items", "encoding", "unsupported_algorithm"},  # no null; of the key
    "POST /api/v1/verify/batch": {"items", "encoding", "unsupported_algorithm"},  # likewise
    "POST /api/v1/mac/batch": {"items"},  # likewise
    "POST /api/v1/mac/verify/batch": {"items"},  # likewise
    # Finite numbers, and no reserved members; the algorithm is one of the key, and has a JOSE name.
    "POST /api/v1/jwt/sign": {"claims", "header", "signing_algorithm", "unsupported_algorithm"},
    # Names of a certificate; the algorithm is one of the key.
    "POST /api/v1/keys/{key_id}/csr": {"subject", "san", "unsupported_algorithm"},
    # Base64. A request without a body has no media type.
    "POST /api/v1/stream/encrypt": {"X-AAD", "unsupported_media_type"},
    "POST /api/v1/stream/decrypt": {"X-AAD", "unsupported_media_type"},  # likewise
    # A key to encrypt only; a form with the file. A file to decrypt is a stream.
    "POST /api/v1/files": {"key_id", "X-AAD", "file", "unsupported_media_type"},
    "GET /api/v1/audit/consistency": {"from", "to"},  # sizes that the tree has had
    "GET /api/v1/audit/logs": {"client_ip", "to"},  # any notation of an address; not before ``from``
    "GET /api/v1/audit/trail": {"to"},  # likewise
    "POST /api/v1/audit/exports": {
        "action",
        "actor",
        "actor_type",
        "search",
        "source",
        "to",
        "client_ip",
        "object",
        "outcome",
        "request_id",
        "from",
    },  # none with tiles
    "POST /api/v1/audit/saved-filters": {"filters", "name"},  # as for the log; a new name
    "POST /api/v1/keys/{key_id}/succeed": {
        "algorithm",
        "policy_id",
    },  # of the same purpose; an existing policy
    # As for a sign-up: acceptable and free. The name of a role.
    "POST /api/v1/users": {"username", "email", "password", "role"},
    "PATCH /api/v1/users/{user_id}": {"email", "role"},  # an address; likewise
    "POST /api/v1/service-accounts": {"role"},  # likewise
    "PATCH /api/v1/service-accounts/{account_id}": {"role"},  # likewise
    # At least one permission; on all objects only those of the role; a free name.
    "POST /api/v1/roles": {"permissions", "on_all", "name"},
    "PATCH /api/v1/roles/{name}": {"permissions", "on_all", "name"},  # likewise; no built-in role
    "POST /api/v1/tokens": {
        "scopes",
        "keys",
        "networks",
        "expires_at",
    },  # those of the role, and within a year
    "POST /api/v1/grants": {
        "principal_id",
        "operations",
        "networks",
        "expires_at",
    },  # of its type; each once; CIDR
    "POST /api/v1/keys/{key_id}/grants": {"principal_id", "operations", "networks", "expires_at"},  # likewise
    "POST /api/v1/keys/{key_id}/transfer": {"owner_id"},  # of its type, with a role that uses keys
    "GET /api/v1/keys/{key_id}/access": {"client_ip"},  # any notation of an address
    "POST /api/v1/audit/log-targets": {
        "url",
        "ca",
        "credential",
        "style",
        "actions",
    },  # an address that is permitted
    "PATCH /api/v1/audit/log-targets/{target_id}": {
        "url",
        "ca",
        "credential",
        "style",
        "actions",
    },  # likewise
    "POST /api/v1/webhooks": {"url", "topics"},  # an https URL of a public host, and known topics
    "PATCH /api/v1/webhooks/{webhook_id}": {"url", "topics"},  # likewise
    "POST /oauth/token": {"invalid_client", "invalid_scope", "invalid_request"},  # each parameter once
    "POST /auth/password": {"current", "new"},  # the right one, and not a common one
}
# A text that is no ciphertext, one of other data, and a state that is no longer the key's.
IN_WORDS_EVERYWHERE = {
    "malformed_ciphertext",
    "decryption_failed",
    "version_conflict",
    "idempotency_key_reused",
}


def breaks_a_rule_in_words(label: str, problem: Any) -> bool:
    fields = {name.partition(".")[0] for name in problem.get("errors", {})}
    known = IN_WORDS.get(label, set())
    messages = [message for each in problem.get("errors", {}).values() for message in each]
    if messages and all(message.startswith("Remove the character") for message in messages):
        return True  # the schema allows all characters of a category, also unassigned ones
    code = problem.get("code") or problem["error"]  # RFC 6749 section 5.2
    return code in IN_WORDS_EVERYWHERE | known or (bool(fields) and fields <= known)
