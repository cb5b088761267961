import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")  # noqa: TID251 - names the settings
application = get_wsgi_application()
