"""Logs, metrics, and checks that answer within a deadline."""
