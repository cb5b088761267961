"""The foundation of every app. It contains no domain logic and imports no app."""

__version__ = "0.1.0"
