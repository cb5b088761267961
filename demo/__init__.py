"""The demo instance: an empty installation with keys, users and an invented history of its use."""
