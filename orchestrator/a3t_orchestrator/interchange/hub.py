"""Pushes an exported folder to the Hugging Face Hub as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from a3t_contracts.errors import UnavailableError, UpstreamError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["push_dataset"]


def push_dataset(folder: Path, repository: str, *, private: bool = True, api: HfApi | None = None) -> str:
    """Upload a folder as a dataset and return its address. The variable HF_TOKEN has the token, and HF_ENDPOINT may
    name another Hub.

    Raises UnavailableError where huggingface-hub is not installed, UpstreamError where the Hub refuses or cannot be
    reached.
    """
    try:
        import httpx2
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise UnavailableError(
            "Pushing needs huggingface-hub, which is not installed.", hint="Install a3t-orchestrator[export]."
        ) from error
    client = api or HfApi()
    try:
        url = client.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        client.upload_folder(
            folder_path=folder,
            repo_id=repository,
            repo_type="dataset",
            ignore_patterns=[".a3t-export.json"],
            commit_message=f"Episodes of {folder.name}",
        )
    except (HfHubHTTPError, HFValidationError, httpx2.TransportError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UpstreamError(
            f"The Hugging Face Hub did not accept {repository}: {reason}",
            hint="Check HF_TOKEN and the repository's name.",
        ) from error
    return str(url)
