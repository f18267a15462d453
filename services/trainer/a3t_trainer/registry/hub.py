"""Pushes adapter versions to the Hugging Face Hub."""

from __future__ import annotations

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from a3t_contracts.errors import UpstreamError
from a3t_contracts.registry import RegistryReader

__all__ = ["push"]


def push(
    reader: RegistryReader, version: str, repository: str, *, private: bool = True, api: HfApi | None = None
) -> str:
    """Verify a version, upload it and return its address. The token comes from HF_TOKEN.

    Raises UpstreamError if the Hub refuses or cannot be reached, NotFoundError for an unknown version.
    """
    folder, _ = reader.fetch(version)
    client = api or HfApi()
    try:
        url = client.create_repo(repository, private=private, exist_ok=True)
        client.upload_folder(folder_path=folder, repo_id=repository, commit_message=f"Adapter version {version}")
    except (HfHubHTTPError, httpx2.TransportError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UpstreamError(
            f"The Hugging Face Hub did not accept {repository}: {reason}", hint="Check HF_TOKEN."
        ) from error
    return str(url)
