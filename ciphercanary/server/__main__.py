from ciphercanary.server.roles import main

if __name__ == "__main__":
    main()
