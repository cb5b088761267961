"""What gunicorn serves: Django behind a bounded bridge. The fast lane will stand in front of it, here."""

from django.conf import settings

from ciphercanary.bridge import WsgiBridge
from ciphercanary.wsgi import application as django

application = WsgiBridge(django, threads=settings.CC_THREADS, max_body_bytes=settings.CC_MAX_BODY_BYTES)
