"""Forms of the audit log pages."""
