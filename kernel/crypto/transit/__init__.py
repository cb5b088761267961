"""The formats of the transit engines of Vault and OpenBao, as OpenBao 2.7 writes and reads them."""
