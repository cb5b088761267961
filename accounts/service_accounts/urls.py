from django.urls import path

from accounts.service_accounts.api import (
    RotateSecretView,
    RotateTokenView,
    ServiceAccountListView,
    ServiceAccountView,
    TokenListView,
    TokenView,
)

api = [
    path("service-accounts", ServiceAccountListView.as_view(), name="service-accounts"),
    path("service-accounts/<uuid:account_id>", ServiceAccountView.as_view(), name="service-account"),
    path(
        "service-accounts/<uuid:account_id>/rotate-secret",
        RotateSecretView.as_view(),
        name="service-account-rotate-secret",
    ),
    path("tokens", TokenListView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", TokenView.as_view(), name="token"),
    path("tokens/<uuid:token_id>/rotate", RotateTokenView.as_view(), name="token-rotate"),
]
