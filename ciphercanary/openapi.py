"""Settings for drf-spectacular: the parts of the OpenAPI document about the API as a whole."""

from typing import Any, Final

from audit.exports.formats import ExportFormat
from audit.log.events import Outcome
from canaries.documents import ChannelKind
from kernel import __version__
from kernel.crypto.algorithms import ALGORITHM_NAMES, GENERATED_NAMES, KEY_ALGORITHM_ALIASES
from kernel.crypto.modes import AGREEMENT_MODES, KEM_MODES, MAC_MODES, SEALING_MODES, SIGNING_MODES
from kernel.identities import IdentityType
from keys import metadata
from keys.lifecycle import VersionState

SPECTACULAR_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "CipherCanary",
    "DESCRIPTION": "Create, rotate and retire cryptographic keys; encrypt, decrypt, sign and verify with them.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "ExportFormatEnum": [word.value for word in ExportFormat],  # "format" has three meanings
        "LogFormatEnum": "audit.serializers.log_targets.FORMATS",
        "OutcomeEnum": [word.value for word in Outcome],
        "RandomFormatEnum": ["base64", "hex"],
        "UserStateEnum": ["active", "invited", "disabled"],  # "state" likewise
        "ReencryptionStatusEnum": ["running", "succeeded", "cancelled"],  # "status" likewise
        "OperationStatusEnum": ["pending", "running", "succeeded", "failed", "cancelled"],
        "OperationKindEnum": "console.jobs.serializers.KINDS",  # "kind" likewise
        "CanaryKindEnum": "canaries.serializers.PLANTED",
        "ChannelKindEnum": [kind.value for kind in ChannelKind],
        "TokenStateEnum": ["active", "expired", "revoked"],
        "KeyVersionStateEnum": [state.value for state in VersionState],
        "PrincipalTypeEnum": [IdentityType.USER.value, IdentityType.SERVICE_ACCOUNT.value, "role"],
        "CallerTypeEnum": [IdentityType.USER.value, IdentityType.SERVICE_ACCOUNT.value],
        "IdentityTypeEnum": [kind.value for kind in IdentityType],  # of owners and requesters
        "KeyAlgorithmEnum": list(ALGORITHM_NAMES),
        "StoredAlgorithmEnum": list(metadata.STORED_ALGORITHMS),
        "KeyAlgorithmOrAliasEnum": [*ALGORITHM_NAMES, *KEY_ALGORITHM_ALIASES],
        "GeneratedAlgorithmEnum": [*GENERATED_NAMES, *KEY_ALGORITHM_ALIASES],
        "AlgorithmEnum": list(SEALING_MODES),
        "MacAlgorithmEnum": list(MAC_MODES),
        "SecretAlgorithmEnum": [*KEM_MODES, *AGREEMENT_MODES],
        "SigningAlgorithmEnum": list(SIGNING_MODES),
    },
    "APPEND_COMPONENTS": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "PREPROCESSING_HOOKS": ["ciphercanary.openapi.without_dialects"],
}

type _Endpoint = tuple[str, str, str, Any]
"""The path, the same as a regular expression, the method and the view."""


def without_dialects(endpoints: list[_Endpoint]) -> list[_Endpoint]:
    """The endpoints without those of other products, whose documents describe them."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith("/v1/")]
