from django.urls import path

from accounts.users import api as api_users

urlpatterns = [
    path("users", api_users.UserListView.as_view(), name="api-users"),
    path("users/<uuid:user_id>", api_users.UserDetailView.as_view(), name="api-user"),
    path("users/<uuid:user_id>/invitation", api_users.InvitationView.as_view(), name="api-user-invitation"),
    path("users/<uuid:user_id>/sign-out", api_users.SignOutView.as_view(), name="api-user-sign-out"),
    path("users/<uuid:user_id>/unlock", api_users.UnlockView.as_view(), name="api-user-unlock"),
    path("users/<uuid:user_id>/reset-totp", api_users.ResetTotpView.as_view(), name="api-user-reset-totp"),
]
