"""How the product is served: preparation, processes, connections, and the way from ASGI to Django."""
