"""The Django project: it puts the apps together. Nothing else imports it."""
