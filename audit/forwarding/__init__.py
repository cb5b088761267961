"""Log forwarding: the entries of the log go to *log targets*, in order and at least once."""
