"""FastAPI dependencies of the routers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..desk import Desk

__all__ = ["DeskDep"]


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


DeskDep = Annotated[Desk, Depends(_desk)]
