from django.urls import path

from accounts.sign_in import api, views
from accounts.sign_in.oidc import views as oidc

auth = [
    path("login", api.LogInView.as_view(), name="log-in"),
    path("refresh", api.RefreshView.as_view(), name="refresh"),
    path("logout", api.LogOutView.as_view(), name="log-out"),
]

pages = [
    path("login/", views.LogInView.as_view(), name="login"),
    path("login/code/", views.LogInCodeView.as_view(), name="login-code"),
    path("login/passkey/", views.LogInWithPasskeyView.as_view(), name="login-passkey"),
    path("login/oidc/", oidc.LogInThroughProviderView.as_view(), name="login-oidc"),
    path("login/oidc/callback", oidc.CallbackView.as_view(), name="oidc-callback"),
    path("logout/", views.LogOutView.as_view(), name="logout"),
    path("reauth/", views.ConfirmIdentityView.as_view(), name="reauth"),
    path("reauth/oidc/", oidc.ConfirmThroughProviderView.as_view(), name="reauth-oidc"),
]
