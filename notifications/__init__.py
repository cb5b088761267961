"""Delivery of notifications by webhook and e-mail, and the conditions of keys that time brings about."""
