from django.urls import path

from accounts.views import account, log_in

urlpatterns = [
    path("login/", log_in.LogInView.as_view(), name="login"),
    path("login/code/", log_in.LogInCodeView.as_view(), name="login-code"),
    path("logout/", log_in.LogOutView.as_view(), name="logout"),
    path("reauth/", log_in.ConfirmIdentityView.as_view(), name="reauth"),
    path("session/extend", log_in.ExtendSessionView.as_view(), name="session-extend"),
    path("account/", account.ProfileView.as_view(), name="account"),
    path("account/appearance/", account.AppearanceView.as_view(), name="appearance"),
]
