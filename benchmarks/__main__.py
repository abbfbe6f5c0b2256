"""`python3 run.py bench [NAME…]`: all benchmarks, or those that are named."""

import argparse
import os
import tempfile
from pathlib import Path

from tests.support import free_port

PASSWORD = "benchmark"  # noqa: S105  (of servers that live as long as this)
BENCHMARKS = ("recording", "streams")


def main() -> None:
    """Start servers of our own, then run what was asked for."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        # Settings are read once, so the environment comes before anything of the application.
        os.environ |= {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(free_port()),
            "POSTGRES_USER": "playground",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DB": "playground",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(free_port()),
            "REDIS_PASSWORD": PASSWORD,
            "DATA_DIR": str(Path(scratch) / "data"),
        }
        run(names, Path(scratch))


def run(names: tuple[str, ...] | list[str], scratch: Path) -> None:
    """Run these on fresh servers in `scratch`."""
    from background import migrations
    from background.local.servers import EmbeddedPostgres, EmbeddedValkey
    from benchmarks import recording, streams

    environment = os.environ
    postgres = EmbeddedPostgres(
        scratch / "postgres",
        int(environment["POSTGRES_PORT"]),
        user=environment["POSTGRES_USER"],
        password=PASSWORD,
        database=environment["POSTGRES_DB"],
    )
    with postgres, EmbeddedValkey(scratch / "valkey", int(environment["REDIS_PORT"]), password=PASSWORD):
        migrations.upgrade()
        for name in names:
            {"recording": recording.main, "streams": streams.main}[name](scratch)


if __name__ == "__main__":
    main()
