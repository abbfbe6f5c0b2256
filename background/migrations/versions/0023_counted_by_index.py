"""How many jobs of a pipeline have failed, or were cancelled, is counted in an index alone

Revision: 0023
"""

import sqlalchemy as sa

from background.migrations import index_apart

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_OF = (sa.text("(pipeline || '')"), "id")


def upgrade() -> None:
    """Apply this revision. Of an expression alone PostgreSQL does not know that the index has what it is made of."""
    _make(include=["pipeline"])


def downgrade() -> None:
    """Take it back."""
    _make(include=[])


def _make(*, include: list[str]) -> None:
    for name, status in (("ix_jobs_failed_of", "FAILED"), ("ix_jobs_cancelled_of", "CANCELLED")):
        index_apart(name, "jobs", _OF, where=sa.text(f"status = '{status}'"), include=include)
