from django.urls import path, re_path

from dialects.vault import paths
from dialects.vault.api import administration, importing, keyless, keys, messages, mounts, signatures, system
from dialects.vault.api.base import UnsupportedPathView

_MOUNT = rf"(?P<mount>{paths.MOUNT})"
_NAME = rf"(?P<name>{paths.NAME})"
_ALGORITHM = r"(?:/(?P<algorithm>[\w-]+))?"

# First, because these requests are the most frequent.
_operations = [
    re_path(rf"^{_MOUNT}/encrypt/{_NAME}$", messages.EncryptView.as_view()),
    re_path(rf"^{_MOUNT}/decrypt/{_NAME}$", messages.DecryptView.as_view()),
    re_path(rf"^{_MOUNT}/sign/{_NAME}{_ALGORITHM}$", signatures.SignView.as_view()),
    re_path(rf"^{_MOUNT}/verify/{_NAME}{_ALGORITHM}$", signatures.VerifyView.as_view()),
    re_path(rf"^{_MOUNT}/hmac/{_NAME}{_ALGORITHM}$", signatures.HmacView.as_view()),
    re_path(rf"^{_MOUNT}/rewrap/{_NAME}$", messages.RewrapView.as_view()),
    re_path(rf"^{_MOUNT}/datakey/(?P<form>\w+)/{_NAME}$", messages.DataKeyView.as_view()),
    re_path(rf"^{_MOUNT}/random(?:/(?P<source>\w+))?(?:/(?P<size>[\w-]+))?$", keyless.RandomView.as_view()),
    re_path(rf"^{_MOUNT}/hash{_ALGORITHM}$", keyless.HashView.as_view()),
]
_keys = [
    re_path(rf"^{_MOUNT}/keys/?$", keys.KeyListView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}$", keys.KeyView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}/rotate$", keys.RotateView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}/config$", keys.ConfigView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}/trim$", administration.TrimView.as_view()),
    re_path(
        rf"^{_MOUNT}/export/(?P<form>[\w-]+)/{_NAME}(?:/(?P<version>\w+))?$",
        administration.ExportView.as_view(),
    ),
    re_path(rf"^{_MOUNT}/backup/{_NAME}$", administration.BackupView.as_view()),
    re_path(rf"^{_MOUNT}/restore(?:/{_NAME})?$", administration.RestoreView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}/import$", importing.ImportView.as_view()),
    re_path(rf"^{_MOUNT}/keys/{_NAME}/import_version$", importing.ImportVersionView.as_view()),
    re_path(rf"^{_MOUNT}/wrapping_key$", importing.WrappingKeyView.as_view()),
]
_system = [
    path("sys/health", system.HealthView.as_view()),
    path("sys/seal-status", system.SealStatusView.as_view()),
    path("sys/leader", system.LeaderView.as_view()),
    path("sys/mounts", mounts.MountsView.as_view()),
    re_path(rf"^sys/mounts/(?P<mount>{paths.PATH})/tune$", mounts.TuneView.as_view()),
    re_path(rf"^sys/mounts/(?P<mount>{paths.PATH})/?$", mounts.MountView.as_view()),
    path("sys/internal/ui/mounts", mounts.MountOfPathView.as_view()),
    path("sys/internal/ui/mounts/<path:path>", mounts.MountOfPathView.as_view()),
    path("sys/capabilities-self", system.CapabilitiesView.as_view()),
    path("auth/token/lookup-self", system.LookupSelfView.as_view()),
    path("auth/token/renew-self", system.RenewSelfView.as_view()),
]

api = [*_operations, *_keys, *_system, re_path(r"", UnsupportedPathView.as_view())]
