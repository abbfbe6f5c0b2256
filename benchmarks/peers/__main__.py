"""`python -m benchmarks.peers NAME prepare|submit|work`; `submit` reads a number of jobs from each line."""

import sys
from importlib import import_module


def main(name: str, what: str) -> None:
    """Do one of the three."""
    peer = import_module(f"benchmarks.peers.{name}")
    if what != "submit":
        getattr(peer, what)()
        return
    submit = peer.submitter()
    for line in sys.stdin:
        submit(int(line))
        print("submitted", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
