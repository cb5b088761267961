from django.urls import path

from crypto_ops.views import trying, using

urlpatterns = [
    path("keys/<slug:name>/try/", trying.TryView.as_view(), name="key-try"),
    path("keys/<slug:name>/use/", using.UseView.as_view(), name="key-use"),
]
