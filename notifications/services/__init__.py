"""Use cases of notifications: webhooks, deliveries, tests, and the periodic work."""
