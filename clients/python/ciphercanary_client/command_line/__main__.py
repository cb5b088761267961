from ciphercanary_client.command_line import run

if __name__ == "__main__":
    run()
