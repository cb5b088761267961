from django.urls import path

from crypto_ops.files import views as files
from crypto_ops.views import trying, using

urlpatterns = [
    path("files/new/", files.NewFileView.as_view(), name="file-new"),
    path("files/upload/", files.UploadView.as_view(), name="file-upload"),
    path("files/<uuid:file_id>/content", files.FileContentView.as_view(), name="file-content"),
    path("keys/<slug:name>/try/", trying.TryView.as_view(), name="key-try"),
    path("keys/<slug:name>/use/", using.UseView.as_view(), name="key-use"),
]
