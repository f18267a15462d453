"""Starts and closes episodes; these calls run in a thread."""

from __future__ import annotations

from a3t_contracts.errors import A3TError, InvalidInputError, UpstreamError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import SessionCreate

from ..environments import Environments
from .session import Session

__all__ = ["close_episode", "open_session"]

log = get_logger(__name__)


def open_session(
    environments: Environments, request: SessionCreate, session_id: str, now: float
) -> tuple[Session, list[str] | None]:
    """Start an episode. Returns its session, and the admissible actions if the request asks for them. Raises
    NotFoundError, InvalidInputError, UpstreamError.
    """
    environment = environments.get(request.environment)
    info, task = environment.info(), environment.task(request.task_id)
    engine = request.engine or info.engines[0]
    if engine not in info.engines:
        raise InvalidInputError(
            f"{request.environment} has no engine {engine[:80]!r} here.", hint=f"Engines: {', '.join(info.engines)}."
        )
    episode = environment.episode(task.id, engine, request.seed, options=request.options)
    try:
        started = episode.start()
        actions = episode.actions() if request.include_actions and info.lists_actions else None
    except Exception as error:
        episode.close()
        if isinstance(error, A3TError):
            raise
        raise UpstreamError(
            f"The {engine} engine could not start task {task.id!r}: {type(error).__name__}: {error}"
        ) from error
    session = Session(
        id=session_id,
        task=task,
        engine=engine,
        episode=episode,
        inline=engine in getattr(environment, "inline_engines", ()),
        max_steps=request.max_steps or info.max_steps,
        include_actions=request.include_actions,
        observation=started.observation,
        touched=now,
        multiline=info.multiline,
        separator=info.separator,
        lists_actions=info.lists_actions,
        reward=started.reward,
        done=started.done,
        success=started.success,
        origin=request.origin,
    )
    return session, actions


def close_episode(session: Session) -> None:
    """Close the episode. An error of the engine is logged, not raised."""
    try:
        session.episode.close()
    except Exception:
        log.exception("episode.close_failed", session=session.id, task=session.task.id, **session.ids)
