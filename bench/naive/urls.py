from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from bench.naive.views import DecryptView, EncryptView

urlpatterns = [
    path("token", TokenObtainPairView.as_view()),
    path("encrypt", EncryptView.as_view()),
    path("decrypt", DecryptView.as_view()),
]
