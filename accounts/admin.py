"""Read-only account tables for auditors. Each admin lists its fields, to leave out password hashes, token hashes
and seeds.
"""

from django.contrib import admin

from accounts.models import (
    ClientSecret,
    Invitation,
    LoginAttempt,
    OidcIdentity,
    Passkey,
    RecoveryCode,
    RefreshToken,
    ServiceAccount,
    ServiceToken,
    SetupLink,
    SigningKey,
    TokenFamily,
    TotpDevice,
    User,
)
from kernel.read_only_admin import ReadOnlyModelAdmin


@admin.register(User)
class UserAdmin(ReadOnlyModelAdmin):
    fields = (
        "id",
        "username",
        "email",
        "role",
        "is_active",
        "requires_second_factor",
        "subject_version",
        "created_at",
    )
    list_display = ("username", "email", "role", "is_active", "requires_second_factor", "created_at")
    list_filter = ("role", "is_active")


@admin.register(TotpDevice)
class TotpDeviceAdmin(ReadOnlyModelAdmin):
    fields = ("id", "user", "confirmed", "confirmed_at", "kek_id", "created_at")
    list_display = ("user", "confirmed", "confirmed_at", "created_at")
    list_filter = ("confirmed",)
    list_select_related = ("user",)


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyModelAdmin):
    fields = ("id", "device", "used_at")
    list_display = ("id", "device", "used_at")
    list_select_related = ("device__user",)


@admin.register(Passkey)
class PasskeyAdmin(ReadOnlyModelAdmin):
    fields = ("id", "user", "name", "aaguid", "transports", "backup_state", "created_at", "last_used_at")
    list_display = ("name", "user", "backup_state", "created_at", "last_used_at")
    list_select_related = ("user",)


@admin.register(OidcIdentity)
class OidcIdentityAdmin(ReadOnlyModelAdmin):
    fields = ("id", "user", "issuer", "subject", "created_at")
    list_display = ("user", "issuer", "subject", "created_at")
    list_select_related = ("user",)


@admin.register(ServiceAccount)
class ServiceAccountAdmin(ReadOnlyModelAdmin):
    fields = ("id", "name", "description", "role", "is_active", "created_at", "created_by")
    list_display = ("name", "role", "is_active", "created_at", "created_by")
    list_filter = ("role", "is_active")
    list_select_related = ("created_by",)


@admin.register(ClientSecret)
class ClientSecretAdmin(ReadOnlyModelAdmin):
    fields = ("id", "service_account", "created_at", "expires_at")
    list_display = ("id", "service_account", "created_at", "expires_at")
    list_select_related = ("service_account",)


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyModelAdmin):
    fields = (
        "id",
        "name",
        "user",
        "service_account",
        "scopes",
        "key_ids",
        "networks",
        "is_issued",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    list_display = ("name", "user", "service_account", "created_at", "expires_at", "revoked_at")
    list_filter = ("is_issued",)
    list_select_related = ("user", "service_account")


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyModelAdmin):
    fields = ("id", "user", "auth_methods", "auth_time", "expires_at", "revoked_at", "subject_version")
    list_display = ("id", "user", "auth_methods", "auth_time", "expires_at", "revoked_at")
    list_filter = ("auth_methods",)
    list_select_related = ("user",)


@admin.register(RefreshToken)
class RefreshTokenAdmin(ReadOnlyModelAdmin):
    fields = ("id", "family", "created_at", "used_at")
    list_display = ("id", "family", "created_at", "used_at")
    list_select_related = ("family",)


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyModelAdmin):
    fields = ("kid", "state", "kek_id", "created_at", "activated_at", "trusted_until")
    list_display = ("kid", "state", "created_at", "activated_at", "trusted_until")
    list_filter = ("state",)


@admin.register(LoginAttempt)
class LoginAttemptAdmin(ReadOnlyModelAdmin):
    fields = ("failures", "first_at", "last_at")
    list_display = ("failures", "first_at", "last_at")
    ordering = ("-last_at",)


@admin.register(SetupLink)
class SetupLinkAdmin(ReadOnlyModelAdmin):
    fields = ("expires_at",)
    list_display = ("expires_at",)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyModelAdmin):
    fields = ("user", "expires_at", "subject_version")
    list_display = ("user", "expires_at")
    list_select_related = ("user",)
