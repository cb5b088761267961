from django.urls import path, re_path

from dialects.vault.api import (
    administration,
    importing,
    keyless,
    keys,
    messages,
    mounts,
    signatures,
    system,
    tokens,
)
from dialects.vault.api.base import UnsupportedPathView
from dialects.vault.paths import ALGORITHM, MOUNT, NAME, PATH

# First, because these requests are the most frequent.
_operations = [
    re_path(rf"^{MOUNT}/encrypt/{NAME}$", messages.EncryptView.as_view()),
    re_path(rf"^{MOUNT}/decrypt/{NAME}$", messages.DecryptView.as_view()),
    re_path(rf"^{MOUNT}/sign/{NAME}{ALGORITHM}$", signatures.SignView.as_view()),
    re_path(rf"^{MOUNT}/verify/{NAME}{ALGORITHM}$", signatures.VerifyView.as_view()),
    re_path(rf"^{MOUNT}/hmac/{NAME}{ALGORITHM}$", signatures.HmacView.as_view()),
    re_path(rf"^{MOUNT}/rewrap/{NAME}$", messages.RewrapView.as_view()),
    re_path(rf"^{MOUNT}/datakey/(?P<form>\w+)/{NAME}$", messages.DataKeyView.as_view()),
    re_path(rf"^{MOUNT}/random(?:/(?P<source>\w+))?(?:/(?P<size>[\w-]+))?$", keyless.RandomView.as_view()),
    re_path(rf"^{MOUNT}/hash{ALGORITHM}$", keyless.HashView.as_view()),
]
_keys = [
    re_path(rf"^{MOUNT}/keys/?$", keys.KeyListView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}$", keys.KeyView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}/rotate$", keys.RotateView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}/config$", keys.ConfigView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}/trim$", administration.TrimView.as_view()),
    re_path(
        rf"^{MOUNT}/export/(?P<form>[\w-]+)/{NAME}(?:/(?P<version>[\w.-]+))?$",
        administration.ExportView.as_view(),
    ),
    re_path(rf"^{MOUNT}/backup/{NAME}$", administration.BackupView.as_view()),
    re_path(rf"^{MOUNT}/restore(?:/{NAME})?$", administration.RestoreView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}/import$", importing.ImportView.as_view()),
    re_path(rf"^{MOUNT}/keys/{NAME}/import_version$", importing.ImportVersionView.as_view()),
    re_path(rf"^{MOUNT}/wrapping_key$", importing.WrappingKeyView.as_view()),
]
_system = [
    path("sys/health", system.HealthView.as_view()),
    path("sys/seal-status", system.SealStatusView.as_view()),
    path("sys/leader", system.LeaderView.as_view()),
    path("sys/mounts", mounts.MountsView.as_view()),
    re_path(rf"^sys/mounts/(?P<mount>{PATH})/tune$", mounts.TuneView.as_view()),
    re_path(rf"^sys/mounts/(?P<mount>{PATH})/?$", mounts.MountView.as_view()),
    path("sys/internal/ui/mounts", mounts.MountOfPathView.as_view()),
    path("sys/internal/ui/mounts/<path:path>", mounts.MountOfPathView.as_view()),
    path("sys/capabilities-self", system.CapabilitiesView.as_view()),
    path("auth/token/lookup-self", tokens.LookupSelfView.as_view()),
    path("auth/token/lookup", tokens.LookupView.as_view()),
    path("auth/token/renew-self", tokens.RenewSelfView.as_view()),
    path("auth/token/revoke-self", tokens.RevokeSelfView.as_view()),
    path("auth/approle/login", tokens.AppRoleLoginView.as_view()),
]

api = [*_operations, *_keys, *_system, re_path(r"", UnsupportedPathView.as_view())]
