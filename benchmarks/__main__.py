"""`python3 run.py bench [NAME…]`: all benchmarks, or those that are named."""

import argparse
from importlib import import_module

from tests.throwaway import throwaway_servers

BENCHMARKS = ("recording", "streams", "page", "layout", "retention", "hostile")


def main() -> None:
    """Start servers of our own, then run what was asked for."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    with throwaway_servers() as scratch:
        for name in names:
            import_module(f"benchmarks.{name}").main(scratch)


if __name__ == "__main__":
    main()
