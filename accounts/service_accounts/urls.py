from django.urls import path

from accounts.service_accounts import api

urlpatterns = [
    path("service-accounts", api.ServiceAccountListView.as_view(), name="service-accounts"),
    path(
        "service-accounts/<uuid:account_id>",
        api.ServiceAccountView.as_view(),
        name="service-account",
    ),
    path(
        "service-accounts/<uuid:account_id>/rotate-secret",
        api.RotateSecretView.as_view(),
        name="service-account-rotate-secret",
    ),
    path("tokens", api.TokenListView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", api.TokenView.as_view(), name="token"),
    path("tokens/<uuid:token_id>/rotate", api.RotateTokenView.as_view(), name="token-rotate"),
]
