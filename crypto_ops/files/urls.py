from django.urls import path

from crypto_ops.files.api import FilesView, FileView
from crypto_ops.files.views import FileContentView, NewFileView, UploadView

api = [
    path("files", FilesView.as_view(), name="files"),
    path("files/<uuid:file_id>", FileView.as_view(), name="file"),
]

pages = [
    path("files/new/", NewFileView.as_view(), name="file-new"),
    path("files/upload/", UploadView.as_view(), name="file-upload"),
    path("files/<uuid:file_id>/content", FileContentView.as_view(), name="file-content"),
]
