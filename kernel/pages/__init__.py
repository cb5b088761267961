"""Base classes of the browser interface: a view that denies by default, forms that keep their input, one shell."""
