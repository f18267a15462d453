"""`/v1/files`: training files (JSON Lines, one trajectory per line)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from a3t_contracts.schemas import FileObject

from .deps import State

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.post("")
async def upload(request: Request, state: State, filename: str = "trajectories.jsonl") -> FileObject:
    """Store a training file. Equal content is stored once, under an id made from its hash."""
    return await state.files.add(request.stream(), filename)


@router.get("")
def list_files(state: State) -> dict[str, Any]:
    """List all files, newest first."""
    return {"object": "list", "data": state.files.all()}


@router.get("/{file_id}")
def get_file(file_id: str, state: State) -> FileObject:
    """Return the description of a file."""
    return state.files.get(file_id)
