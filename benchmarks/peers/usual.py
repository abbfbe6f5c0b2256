"""The usual design: Celery and the ORM of SQLAlchemy, a commit for each change, results in PostgreSQL."""

from collections.abc import Callable
from datetime import datetime

from celery import Celery
from sqlalchemy import ForeignKey, create_engine, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, sessionmaker

from benchmarks.peers import servers

app = Celery("usual", broker=servers.redis(), backend=servers.postgres("db+postgresql+psycopg2"))
app.conf.update(task_track_started=True, worker_prefetch_multiplier=1, task_acks_late=True)

Session = sessionmaker(create_engine(servers.postgres("postgresql+psycopg2")))


class Base(DeclarativeBase):
    """What tables are made of."""


class Job(Base):
    """One job."""

    __tablename__ = "usual_jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str | None] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(default="PENDING", index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    steps: Mapped[list["Step"]] = relationship(back_populates="job")


class Step(Base):
    """One step of a job."""

    __tablename__ = "usual_steps"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey(Job.id), index=True)
    number: Mapped[int]
    status: Mapped[str]
    message: Mapped[str]
    job: Mapped[Job] = relationship(back_populates="steps")


@app.task(name="usual.run")
def run(job_id: int) -> str:
    """Run the steps of a job."""
    with Session() as session:
        job = session.get_one(Job, job_id)
        job.status = "IN_PROGRESS"
        session.commit()
        for number in (1, 2, 3):
            step = Step(job_id=job.id, number=number, status="IN_PROGRESS", message=f"Processing step {number}")
            session.add(step)
            session.commit()
            step.status, step.message = "COMPLETED", f"Step {number} completed successfully"
            session.commit()
        job.status = "COMPLETED"
        session.commit()
        return f"Job {job_id} completed"


def create_job() -> int:
    """Store a job and send its task."""
    with Session() as session:
        job = Job()
        session.add(job)
        session.commit()
        job.task_id = run.delay(job.id).id
        session.commit()
        return job.id


def prepare() -> None:
    """Make its tables anew, Celery's own among them."""
    engine = Session.kw["bind"]
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    app.backend.ResultSession().close()  # type: ignore[attr-defined]  # creates what is missing
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE celery_taskmeta"))


def submitter() -> Callable[[int], None]:
    """One job at a time."""

    def submit(number: int) -> None:
        for _ in range(number):
            create_job()

    return submit
