#!/usr/bin/env python
from ciphercanary.manage import main

if __name__ == "__main__":
    main()
