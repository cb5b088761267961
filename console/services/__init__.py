"""What the console does beyond showing what other apps have."""
