"""Logs, metrics, and checks that respond within a deadline."""
