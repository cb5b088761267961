"""Files: jobs that encrypt or decrypt an uploaded file, and commands for files of the operator.

The upload of an encryption is stored under a key of the job alone, which is erased when the job ends. The result of a
decryption is the verified upload itself, which each download decrypts. So no plaintext is ever stored.
"""
