"""A release to come, whose jobs have a `size`: its migrations, and what its workers do otherwise.

`python -m tests.acceptance.next_release REVISION` is its `migrate`, up to this revision.
"""

import sys
from pathlib import Path

from alembic.config import Config

from background import migrations
from background.base import logs
from tests.acceptance.chaos.seams import replace, rewrite_sql

OURS = Path(migrations.__file__).parent / "versions"
NEXT = Path(__file__).parent / "next_versions"


def config() -> Config:
    """The history with the revisions of the release to come."""
    settings = Config()
    settings.set_main_option("script_location", str(OURS.parent))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", f"{OURS}\n{NEXT}")
    return settings


def write_the_size() -> None:
    """Whoever claims a job writes its size."""
    rewrite_sql(r"started_at = coalesce\(started_at, now\(\)\)", r"size = cardinality(step_names), \g<0>", at_least=1)


if __name__ == "__main__":
    logs.configure("text")
    replace(migrations, config=config)
    migrations.upgrade(sys.argv[1])
