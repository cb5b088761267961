#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

UNUSABLE = (
    "The database cannot be used ({}). Start bin/serve once, which prepares it, and give this command the same CC_HOME and "
    "DATABASE_URL. --traceback tells more."
)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(UNUSABLE.format(str(error).partition("\n")[0]))


if __name__ == "__main__":
    main()
