"""Runs keep the tree that Celery built, results as they were serialised, and the ids of earlier tries

Revision: canvas_0006
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON, JSONB

revision = "canvas_0006"
down_revision = "canvas_0005"
branch_labels = None
depends_on = None

OPTIONS = ("immutable", "countdown", "retries", "ignore_result")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column("runs", sa.Column("tree", JSON()))
    op.add_column("runs", sa.Column("ids", sa.ARRAY(sa.Uuid())))
    op.add_column("runs", sa.Column("celery", sa.Text()))
    op.alter_column("runs", "canvas", type_=sa.Text(), postgresql_using="canvas::text")
    _convert(op.get_bind())
    op.alter_column("runs", "tree", nullable=False)
    op.drop_column("runs", "edges")
    for name in ("next", "on_error", "errbacks"):
        op.drop_column("run_tasks", name)
    op.alter_column("run_tasks", "args", type_=sa.Text(), postgresql_using="args::text")
    op.alter_column("run_tasks", "result", type_=sa.Text(), postgresql_using="result::text")
    op.add_column("run_tasks", sa.Column("kwargs", sa.Text(), server_default="{}", nullable=False))
    # Of what was under way before nobody knows better: it counts as sent.
    for name in ("called", "closed"):
        op.add_column("run_tasks", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("""
        UPDATE run_tasks SET called = state <> 'SKIPPED' AND (state <> 'PENDING' OR position = 0),
            closed = state IN ('SUCCESS', 'FAILURE', 'REVOKED')
    """)
    op.add_column("run_tasks", sa.Column("due_at", sa.DateTime(timezone=True)))
    op.add_column("run_tasks", sa.Column("queue", sa.Text()))
    op.add_column("run_tasks", sa.Column("parent_id", sa.Uuid()))
    op.create_table(
        "run_aliases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_aliases_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_aliases")),
    )
    op.create_index("ix_run_aliases_run_id", "run_aliases", ["run_id"])


def downgrade() -> None:
    """Take it back. Runs stay, but none of them can be retried: what Celery made of them is known no more."""
    op.drop_table("run_aliases")
    for name in ("parent_id", "queue", "due_at", "closed", "called", "kwargs"):
        op.drop_column("run_tasks", name)
    op.alter_column("run_tasks", "args", type_=JSONB(), postgresql_using="args::jsonb")
    op.execute("UPDATE run_tasks SET result = to_jsonb(result) WHERE NOT pg_input_is_valid(result, 'jsonb')")
    op.alter_column("run_tasks", "result", type_=JSONB(), postgresql_using="result::jsonb")
    none = sa.text("'{}'")
    op.add_column("run_tasks", sa.Column("next", sa.ARRAY(sa.Uuid()), server_default=none, nullable=False))
    op.alter_column("run_tasks", "next", server_default=None)
    op.add_column("run_tasks", sa.Column("on_error", sa.Uuid()))
    op.add_column("run_tasks", sa.Column("errbacks", sa.ARRAY(sa.Uuid()), server_default=none, nullable=False))
    op.add_column("runs", sa.Column("edges", JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.alter_column("runs", "edges", server_default=None)
    op.execute("UPDATE runs SET canvas = NULL")
    op.alter_column("runs", "canvas", type_=JSONB(), postgresql_using="canvas::jsonb")
    for name in ("celery", "ids", "tree"):
        op.drop_column("runs", name)


def _convert(connection: sa.Connection) -> None:
    rows = connection.execute(sa.text("SELECT id, canvas FROM runs")).all()
    update = sa.text("UPDATE runs SET tree = CAST(:tree AS json), canvas = :canvas, ids = :ids WHERE id = :id")
    for run_id, stored in rows:
        ids: list[str] | None = None
        if stored is None:
            tree, canvas = _flat(connection, run_id), None
        else:
            old = json.loads(stored)
            ids = []
            tree, canvas = _tree(old), json.dumps(_spec(old, ids))
        values = {"id": run_id, "tree": json.dumps(tree), "canvas": canvas, "ids": ids}
        connection.execute(update.bindparams(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid(as_uuid=False)))), values)


def _flat(connection: sa.Connection, run_id: int) -> dict[str, Any]:
    """Of runs from before there was a tree: its tasks side by side."""
    statement = sa.text("SELECT id::text FROM run_tasks WHERE run_id = :run_id ORDER BY position")
    ids = connection.execute(statement, {"run_id": run_id}).scalars().all()
    return {"group": [{"task": each} for each in ids]} if len(ids) != 1 else {"task": ids[0]}


def _tree(old: dict[str, Any]) -> dict[str, Any]:
    if "task" in old:
        found: dict[str, Any] = {"task": old["id"]}
        for before, after in (("on_success", "link"), ("on_error", "link_error")):
            if old.get(before):
                found[after] = [_tree(old[before])]
        return found
    if "header" in old:
        return {"chord": {"header": [_tree(each) for each in old["header"]], "body": _tree(old["body"])}}
    kind = "chain" if "chain" in old else "group"
    return {kind: [_tree(each) for each in old[kind]]}


def _spec(old: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """As `POST /canvas` takes it; adds its ids in the order of definition."""
    if "task" in old:
        ids.append(old["id"])
        found = {"task": old["task"].rpartition(".")[2], "args": old["args"]}
        found |= {name: old[name] for name in OPTIONS if old.get(name)}
        for before, after in (("on_success", "link"), ("on_error", "link_error")):
            if old.get(before):
                found[after] = [_spec(old[before], ids)]
        return found
    if "header" in old:
        header = [_spec(each, ids) for each in old["header"]]
        return {"chord": {"header": header, "body": _spec(old["body"], ids)}}
    kind = "chain" if "chain" in old else "group"
    return {kind: [_spec(each, ids) for each in old[kind]]}
