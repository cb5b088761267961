"""Creates the tables, a user with the password from standard input, and a key. Prints the key's ID."""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.naive.settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models need django.setup()

from bench.naive.models import EncryptionKey  # noqa: E402 - the same

call_command("migrate", verbosity=0)
call_command(
    "migrate", run_syncdb=True, verbosity=0
)  # the models without migrations, which reference the others
User.objects.create_user("bench", password=sys.stdin.read())
print(EncryptionKey.make("bench").id)
