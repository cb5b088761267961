"""Services of the console itself."""
