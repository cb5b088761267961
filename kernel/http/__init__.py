"""HTTP without any view: requests and their context, problem documents, and answers given before Django."""
