"""The database tables. Times are UTC; JSON columns hold values that no query filters by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy import DateTime as PlainDateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from .kept_text import read_text, stored_text

__all__ = [
    "Base",
    "Event",
    "Job",
    "Round",
    "Run",
    "RunLease",
    "RunProgressRow",
    "RunTask",
    "TrainingMember",
    "TrajectoryRow",
    "TrajectorySteps",
    "WorkItem",
    "is_modelled",
    "utc_now",
]

Json = JSON().with_variant(JSONB(), "postgresql")
Number = BigInteger().with_variant(Integer(), "sqlite")


def utc_now() -> datetime:
    """Return the present time with the time zone UTC."""
    return datetime.now(UTC)


def is_modelled(name: str | None, kind: str, _: object) -> bool:
    """Tell Alembic whether to compare an object of the schema: False for the tables of the full-text search, which have
    no model."""
    return not (kind == "table" and name is not None and name.startswith("trajectory_search"))


class UtcDateTime(TypeDecorator[datetime]):
    """A time that keeps its time zone in every database (SQLite drops it)."""

    impl = PlainDateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class KeptText(TypeDecorator[str]):
    """A text of any characters, in every database (PostgreSQL has no place for NUL)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return stored_text(value) if value is not None and dialect.name == "postgresql" else value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return read_text(value) if value is not None and dialect.name == "postgresql" else value


class Base(DeclarativeBase):
    """The base class of all tables."""


class Run(Base):
    """One execution of a recipe."""

    __tablename__ = "runs"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    environment: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16), default="planned")
    phase: Mapped[str] = mapped_column(String(32), default="")
    round: Mapped[int] = mapped_column(default=0)
    recipe: Mapped[dict[str, Any]] = mapped_column(Json)
    recipe_sha256: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int]
    commit: Mapped[str] = mapped_column(String(64), default="")
    wanted: Mapped[str] = mapped_column(String(16), default="running", server_default="running")
    source: Mapped[str | None] = mapped_column(String(128))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_runs_created_at", "created_at"),
        Index("ix_runs_idempotency_key", "idempotency_key", unique=True),
    )


class RunLease(Base):
    """The lease of a run: which process drives it. `holder` is empty if none does. A driver checks the lease in every
    transaction that writes."""

    __tablename__ = "run_leases"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64), default="", server_default="")
    machine: Mapped[str] = mapped_column(String(255), default="", server_default="")
    pid: Mapped[int] = mapped_column(default=0, server_default="0")
    created: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class RunProgressRow(Base):
    """Progress of a run's current phase, as the driver stored it last."""

    __tablename__ = "run_progress"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class RunTask(Base):
    """A task of a run. `role` is `train` or `held_out`."""

    __tablename__ = "run_tasks"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    split: Mapped[str] = mapped_column(String(64), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(512), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    task_type: Mapped[str] = mapped_column(String(128))
    position: Mapped[int]


class Round(Base):
    """A round of a run: its adapter version, and counts and seconds of every phase."""

    __tablename__ = "rounds"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(16), default="running")
    version: Mapped[str | None] = mapped_column(String(128))
    seconds: Mapped[dict[str, float]] = mapped_column(Json, default=dict)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WorkItem(Base):
    """One episode (or annotation) that a round needs. Its id is the id of the trajectory that it produces."""

    __tablename__ = "work_items"

    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    split: Mapped[str] = mapped_column(String(64))
    task_id: Mapped[str] = mapped_column(String(512))
    task_type: Mapped[str] = mapped_column(String(128))
    sample: Mapped[int]
    policy_version: Mapped[str | None] = mapped_column(String(256))
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker: Mapped[str | None] = mapped_column(String(128))
    error: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    __table_args__ = (
        Index("ix_work_items_phase", "run", "round", "phase", "state"),
        Index("ix_work_items_lease", "state", "lease_until"),
    )


class TrajectoryRow(Base):
    """A trajectory without its steps. Rows are small, so that a hundred thousand of them are filtered, sorted and
    counted quickly. The large columns are in `TrajectorySteps`."""

    __tablename__ = "trajectories"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(24), unique=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"))
    round: Mapped[int]
    phase: Mapped[str] = mapped_column(String(32))
    environment: Mapped[str] = mapped_column(String(32))
    engine: Mapped[str | None] = mapped_column(String(64))
    split: Mapped[str] = mapped_column(String(64))
    task_id: Mapped[str] = mapped_column(String(512))
    task_type: Mapped[str] = mapped_column(String(128))
    seed: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    sample: Mapped[int]
    policy_version: Mapped[str | None] = mapped_column(String(256))
    multiline: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    prompt: Mapped[str] = mapped_column(String(16), default="plain", server_default="plain")
    reward: Mapped[float]
    success: Mapped[bool]
    stop_reason: Mapped[str] = mapped_column(String(16))
    annotated: Mapped[bool] = mapped_column(default=True)
    n_steps: Mapped[int]
    n_sampled: Mapped[int]
    n_sampled_coin: Mapped[int] = mapped_column(default=0, server_default="0")
    n_sampled_invalid: Mapped[int] = mapped_column(default=0, server_default="0")
    n_invalid: Mapped[int]
    n_made_up: Mapped[int] = mapped_column(default=0, server_default="0")
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    seconds: Mapped[float]
    actions_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    texts: Mapped[TrajectorySteps] = relationship()
    steps: AssociationProxy[list[dict[str, Any]]] = association_proxy("texts", "steps")
    preamble: AssociationProxy[str] = association_proxy("texts", "preamble")
    final_observation: AssociationProxy[str] = association_proxy("texts", "final_observation")
    details: AssociationProxy[dict[str, Any]] = association_proxy("texts", "details")

    __table_args__ = (
        Index("ix_trajectories_listing", "run", "round", "kind", "success"),
        Index(  # all columns that a report adds up (outcomes.py); the next one: all columns by which it counts tasks
            "ix_trajectories_phase",
            "run",
            "round",
            "phase",
            "split",
            "task_type",
            "stop_reason",
            "success",
            "reward",
            "n_steps",
            "n_sampled",
            "n_sampled_coin",
            "n_sampled_invalid",
            "n_made_up",
            "prompt_tokens",
            "completion_tokens",
        ),
        Index("ix_trajectories_outcome", "run", "phase", "success", "round", "task_id"),
        Index("ix_trajectories_task", "run", "task_id"),
        Index("ix_trajectories_created_at", "created_at", "number"),
        Index("ix_trajectories_run_created_at", "run", "created_at", "number"),
    )


class TrajectorySteps(Base):
    """The large columns of a trajectory. `steps` has the steps in the form of the schema. Triggers of the database keep
    the words of every row in `trajectory_search`, which search.py queries."""

    __tablename__ = "trajectory_steps"

    number: Mapped[int] = mapped_column(ForeignKey("trajectories.number", ondelete="CASCADE"), primary_key=True)
    preamble: Mapped[str] = mapped_column(KeptText, default="")
    steps: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    final_observation: Mapped[str] = mapped_column(KeptText, default="")
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class TrainingMember(Base):
    """A trajectory in the training set of a round."""

    __tablename__ = "training_members"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    trajectory_id: Mapped[str] = mapped_column(ForeignKey("trajectories.id", ondelete="CASCADE"), primary_key=True)
    success: Mapped[bool]

    __table_args__ = (Index("ix_training_members_trajectory", "trajectory_id"),)


class Job(Base):
    """The fine-tuning job of a round, in the state that the trainer last reported."""

    __tablename__ = "jobs"

    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str | None] = mapped_column(String(128))
    version: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(16), default="queued")
    request: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    progress: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class Event(Base):
    """An event of a run. Its number gives the order."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.name", ondelete="CASCADE"))
    round: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    level: Mapped[str] = mapped_column(String(8), default="info")
    kind: Mapped[str] = mapped_column(String(32))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    __table_args__ = (Index("ix_events_run", "run", "id"),)
