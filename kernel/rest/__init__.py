"""Base classes of the REST interface: a view that denies by default, strict input, paging, one error format."""
