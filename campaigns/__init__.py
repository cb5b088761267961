"""Long tests and other programs that run by hand: ``python -m campaigns.NAME``. pytest collects none of them."""
