"""The foundation of every app. It contains no domain logic and imports no app."""

from kernel.installation import read_version

__version__ = read_version()
