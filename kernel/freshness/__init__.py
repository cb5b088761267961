"""Whether a decision still rests on current keys and rights: the security epoch, and stamps of it."""
