"""Group commit: decisions and their entries, made durable in batches by one writer."""
