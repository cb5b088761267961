"""Interfaces that clients of other key managers understand. They translate; the engine and the services decide."""
