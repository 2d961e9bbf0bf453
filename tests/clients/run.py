"""usage: run.py LATENT SOURCE [NAME...]: drives a server with real clients, all or those of these names."""

import sys
import time

import clients
import test_openai
import test_sequences
import test_webuiapi

TESTS = {"webuiapi": test_webuiapi, "openai": test_openai, "sequences": test_sequences}


def main():
    start = time.time()
    latent, source, names = sys.argv[1], sys.argv[2], sys.argv[3:] or list(TESTS)
    with clients.Server(latent, source) as server:
        for name in names:
            TESTS[name].run(server)
        if clients.failed:
            print((server.work / "log").read_text()[-4000:])
    print(f"# {len(clients.failed)} failed, {time.time() - start:.0f} s")
    return 1 if clients.failed else 0


if __name__ == "__main__":
    sys.exit(main())
