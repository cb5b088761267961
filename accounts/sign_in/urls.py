from django.urls import path

from accounts.sign_in import api, views
from accounts.sign_in.oidc import views as oidc

auth = [
    path("login", api.SignInView.as_view(), name="log-in"),
    path("refresh", api.RefreshView.as_view(), name="refresh"),
    path("logout", api.SignOutView.as_view(), name="log-out"),
]

pages = [
    path("login/", views.SignInView.as_view(), name="login"),
    path("login/code/", views.SignInCodeView.as_view(), name="login-code"),
    path("login/passkey/", views.SignInWithPasskeyView.as_view(), name="login-passkey"),
    path("login/oidc/", oidc.SignInThroughProviderView.as_view(), name="login-oidc"),
    path("login/oidc/callback", oidc.CallbackView.as_view(), name="oidc-callback"),
    path("logout/", views.SignOutView.as_view(), name="logout"),
    path("reauth/", views.ConfirmIdentityView.as_view(), name="reauth"),
    path("reauth/oidc/", oidc.ConfirmThroughProviderView.as_view(), name="reauth-oidc"),
]
