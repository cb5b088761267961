"""Makes the tables, a user with the password on standard input, and a key; prints the key's id."""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.naive.settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models need a Django that is set up

from bench.naive.models import EncryptionKey  # noqa: E402 - the same

call_command("migrate", verbosity=0)
call_command(
    "migrate", run_syncdb=True, verbosity=0
)  # the models without migrations, which point at the others
User.objects.create_user("bench", password=sys.stdin.read())
print(EncryptionKey.make("bench").id)
