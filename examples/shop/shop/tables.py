"""The shop's own table, beside those of the jobs in the same database: that is what one transaction needs."""

from sqlalchemy import MetaData, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from background.settings import get_settings

engine = create_engine(get_settings().sqlalchemy_url, pool_pre_ping=True)


class Base(DeclarativeBase):
    """What belongs to the shop; its migrations look at nothing else."""

    metadata = MetaData()


class Order(Base):
    """An order; `charge` is what the payment service calls its payment, once there is one."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]
    cents: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="open")
    charge: Mapped[str | None]
