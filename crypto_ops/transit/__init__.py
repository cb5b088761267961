"""Operations with transit keys, in the formats of Vault and OpenBao. The HTTP dialect is in ``dialects.vault``."""
