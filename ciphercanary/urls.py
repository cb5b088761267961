from django.contrib import admin
from django.urls import include, path

from accounts.api import JwksView
from ciphercanary import service
from ciphercanary.schema import SchemaView

urlpatterns = [
    path("api/v1/", include("keys.api_urls")),
    path("api/v1/", include("crypto_ops.api_urls")),
    path("api/v1/", include("audit.api_urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path("auth/", include("accounts.api_urls")),
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
    path("health", service.health, name="health"),
    path("livez", service.livez, name="livez"),
    path("readyz", service.readyz, name="readyz"),
    path("metrics", service.metrics, name="metrics"),
    path("version", service.version, name="version"),
    path("admin/", admin.site.urls),
]

handler400 = "ciphercanary.problem_views.bad_request"
handler403 = "ciphercanary.problem_views.forbidden"
handler404 = "ciphercanary.problem_views.not_found"
handler500 = "ciphercanary.problem_views.server_error"
