"""What every app stands on. It knows no domain."""

__version__ = "0.1.0"
