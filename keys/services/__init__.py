"""Services for keys. A change and its audit event share one transaction.

The services check the principal's permission, and search only the keys that the principal may see.
"""

from keys.services.callers import denials_shown_to, ids_with_callers, unrecorded_before, use_shown_to
from keys.services.creation import create_key, default_key
from keys.services.deletion import (
    DueDestruction,
    cancel_deletion,
    cancel_version_destruction,
    destroy_due_keys,
    schedule_deletion,
    schedule_version_destruction,
)
from keys.services.editing import KeyUpdate, update_key
from keys.services.forecasts import forecast, read_impact
from keys.services.grants import (
    grant_key,
    grant_tag,
    list_grants_on,
    list_key_grants,
    list_tag_grants,
    remove_grant,
)
from keys.services.history import (
    MadeVersion,
    VersionWindow,
    creator_of,
    list_made_versions,
    state_decision,
)
from keys.services.policies import (
    PolicyUpdate,
    Preview,
    create_policy,
    delete_policy,
    get_policy,
    list_policies,
    preview_policy,
    update_policy,
    visible_policies,
)
from keys.services.policy_lists import (
    PolicyWindow,
    find_policy,
    list_policies_after,
    policies_for,
    policy_named,
)
from keys.services.reading import (
    EXPIRY_DAYS,
    KeyFigures,
    KeyFilter,
    KeyWindow,
    find_key,
    frequent_tags,
    get_key,
    id_of_key,
    ids_of_own_keys,
    key_named,
    list_keys,
    list_keys_after,
    list_rotations,
    list_versions,
    measure_keys,
)
from keys.services.rotation import DueRotation, rotate_due_keys, rotate_key
from keys.services.states import activate_key, disable_key, enable_key, revoke_key
from keys.services.usage import budget_of, primary_budget, read_usage, version_uses
from keys.services.versions import disable_version, enable_version

__all__ = [
    "EXPIRY_DAYS",
    "DueDestruction",
    "DueRotation",
    "KeyFigures",
    "KeyFilter",
    "KeyUpdate",
    "KeyWindow",
    "MadeVersion",
    "PolicyUpdate",
    "PolicyWindow",
    "Preview",
    "VersionWindow",
    "activate_key",
    "budget_of",
    "cancel_deletion",
    "cancel_version_destruction",
    "create_key",
    "create_policy",
    "creator_of",
    "default_key",
    "delete_policy",
    "denials_shown_to",
    "destroy_due_keys",
    "disable_key",
    "disable_version",
    "enable_key",
    "enable_version",
    "find_key",
    "find_policy",
    "forecast",
    "frequent_tags",
    "get_key",
    "get_policy",
    "grant_key",
    "grant_tag",
    "id_of_key",
    "ids_of_own_keys",
    "ids_with_callers",
    "key_named",
    "list_grants_on",
    "list_key_grants",
    "list_keys",
    "list_keys_after",
    "list_made_versions",
    "list_policies",
    "list_policies_after",
    "list_rotations",
    "list_tag_grants",
    "list_versions",
    "measure_keys",
    "policies_for",
    "policy_named",
    "preview_policy",
    "primary_budget",
    "read_impact",
    "read_usage",
    "remove_grant",
    "revoke_key",
    "rotate_due_keys",
    "rotate_key",
    "schedule_deletion",
    "schedule_version_destruction",
    "state_decision",
    "unrecorded_before",
    "update_key",
    "update_policy",
    "use_shown_to",
    "version_uses",
    "visible_policies",
]
