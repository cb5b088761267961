"""Finding entries: filters, qualifiers, saved filters, suggestions, and limits of searches."""
