"""Read-only account tables for auditors. Each names its fields, without password hashes, token hashes and seeds."""

from accounts.models import (
    ClientSecret,
    Invitation,
    LoginAttempt,
    OidcIdentity,
    Passkey,
    RecoveryCode,
    RefreshToken,
    Role,
    ServiceAccount,
    ServiceToken,
    SetupLink,
    SigningKey,
    TokenFamily,
    TotpDevice,
    User,
)
from kernel.read_only_admin import read_only

read_only(
    User,
    "username email role is_active requires_second_factor created_at",
    fields="id username email role is_active requires_second_factor subject_version created_at",
    list_filter="role is_active",
)
read_only(
    Role,
    "name description requires_second_factor created_at",
    fields="name description permissions on_all requires_second_factor created_at",
)
read_only(
    TotpDevice,
    "user confirmed confirmed_at created_at",
    fields="id user confirmed confirmed_at kek_id created_at",
    list_filter="confirmed",
)
read_only(RecoveryCode, "id device used_at", fields="id device used_at", list_select_related="device__user")
read_only(
    Passkey,
    "name user backup_state created_at last_used_at",
    fields="id user name aaguid transports backup_state created_at last_used_at",
)
read_only(OidcIdentity, "user issuer subject created_at", fields="id user issuer subject created_at")
read_only(
    ServiceAccount,
    "name role is_active created_at created_by",
    fields="id name description role is_active created_at created_by",
    list_filter="role is_active",
)
read_only(
    ClientSecret,
    "id service_account created_at expires_at",
    fields="id service_account created_at expires_at",
)
read_only(
    ServiceToken,
    "name user service_account created_at expires_at revoked_at",
    fields="id name user service_account scopes key_ids networks is_issued created_at expires_at revoked_at",
    list_filter="is_issued",
)
read_only(
    TokenFamily,
    "id user auth_methods auth_time expires_at revoked_at",
    fields="id user auth_methods auth_time expires_at revoked_at subject_version",
    list_filter="auth_methods",
)
read_only(RefreshToken, "id family created_at used_at", fields="id family created_at used_at")
read_only(
    SigningKey,
    "kid state created_at activated_at trusted_until",
    fields="kid state kek_id created_at activated_at trusted_until",
    list_filter="state",
)
read_only(LoginAttempt, "failures first_at last_at", fields="failures first_at last_at", ordering="-last_at")
read_only(SetupLink, "expires_at", fields="expires_at")
read_only(Invitation, "user expires_at", fields="user expires_at subject_version")
