from django.urls import path

from accounts.views import account, log_in, second_factor, sessions

urlpatterns = [
    path("login/", log_in.LogInView.as_view(), name="login"),
    path("login/code/", log_in.LogInCodeView.as_view(), name="login-code"),
    path("logout/", log_in.LogOutView.as_view(), name="logout"),
    path("reauth/", log_in.ConfirmIdentityView.as_view(), name="reauth"),
    path("session/extend", log_in.ExtendSessionView.as_view(), name="session-extend"),
    path("account/", account.ProfileView.as_view(), name="account"),
    path("account/password/", account.PasswordView.as_view(), name="password"),
    path("account/mfa/", second_factor.SecondFactorView.as_view(), name="mfa"),
    path("account/mfa/setup/", second_factor.SetUpView.as_view(), name="mfa-setup"),
    path("account/mfa/codes/", second_factor.RecoveryCodesView.as_view(), name="mfa-codes"),
    path("account/mfa/codes/kept/", second_factor.KeptCodesView.as_view(), name="mfa-codes-kept"),
    path("account/mfa/codes/file/", second_factor.CodesFileView.as_view(), name="mfa-codes-file"),
    path("account/mfa/remove/", second_factor.RemoveView.as_view(), name="mfa-remove"),
    path("account/sessions/", sessions.SessionsView.as_view(), name="sessions"),
    path("account/appearance/", account.AppearanceView.as_view(), name="appearance"),
]
