"""Re-encryption: one message, or a job with pages of them."""
