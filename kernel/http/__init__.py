"""HTTP without any view: requests and their context, problem documents, and responses given before Django."""
