from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts import urls as accounts
from accounts.service_accounts.oauth.api import OAuthTokenView
from accounts.tokens.api import JwksView
from audit import urls as audit
from audit.api.proofs import CheckpointKeysView
from ciphercanary import monitoring
from console import urls as console
from crypto_ops import urls as crypto_ops
from dialects.vault import urls as vault
from kernel.rest.schema import SchemaView
from keys import urls as keys
from notifications import urls as notifications

urlpatterns = [
    # First, because these requests are the most frequent, and Django tries one pattern after the other.
    path("api/v1/", include(crypto_ops.api)),
    path("api/v1/", include(accounts.api)),
    path("api/v1/", include(keys.api)),
    path("api/v1/", include(audit.api)),
    path("api/v1/", include(notifications.api)),
    path("api/v1/", include(console.api)),
    path("v1/", include(vault.api)),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("auth/", include(accounts.auth)),
    path("oauth/token", OAuthTokenView.as_view(), name="oauth-token"),
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
    path(".well-known/ciphercanary-audit-keys", CheckpointKeysView.as_view(), name="audit-keys"),
    path("health", monitoring.health, name="health"),
    path("livez", monitoring.livez, name="livez"),
    path("readyz", monitoring.readyz, name="readyz"),
    path("metrics", monitoring.metrics, name="metrics"),
    path("version", monitoring.version, name="version"),
    path("", include(accounts.pages)),
    path("", include(keys.pages)),
    path("", include(crypto_ops.pages)),
    path("", include(audit.pages)),
    path("", include(notifications.pages)),
    path("", include(console.pages)),
    path("admin/", admin.site.urls),
    path(
        "admin",
        RedirectView.as_view(pattern_name="admin:index", http_method_names=["get", "head"]),
        name="admin-without-slash",
    ),
]

handler400 = handler403 = handler404 = "kernel.pages.problem_views.refused"
handler500 = "kernel.pages.problem_views.failed"
