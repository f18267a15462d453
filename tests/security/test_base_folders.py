"""Which folders a fine-tuning job may load its base model from."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3t_contracts.base_model import check_base_folder
from a3t_contracts.errors import InvalidInputError
from a3t_trainer.settings import TrainerSettings

PRODUCTION = {"mode": "production", "token": "a-secret-of-the-tests"}


@pytest.mark.parametrize("name", ["a3t/tiny", "a3t/tiny-webshop", "mistralai/Mistral-7B-Instruct-v0.2", "gpt2"])
def test_models_that_ship_and_hub_ids_need_no_folder(name: str) -> None:
    check_base_folder(name, TrainerSettings.model_validate(PRODUCTION).model_folders, "X")


@pytest.mark.parametrize(
    "name", ["/etc", "../..", "~", "~/models", "./x", "org/../../etc", "org/..", "a/b/c", "", "file:///etc"]
)
def test_in_production_no_other_folder_is_read(name: str) -> None:
    with pytest.raises(InvalidInputError, match="outside of the folders that jobs may load"):
        check_base_folder(name, TrainerSettings.model_validate(PRODUCTION).model_folders, "X")


def test_the_named_folders_are_read_and_links_out_of_them_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, secret = tmp_path / "models", tmp_path / "models-of-others"
    (models / "mine").mkdir(parents=True)
    secret.mkdir()
    (models / "link").symlink_to(secret)
    folders = TrainerSettings.model_validate(
        PRODUCTION | {"trainer_model_folders": f"/nowhere, {models}"}
    ).model_folders
    check_base_folder(str(models / "mine"), folders, "X")
    monkeypatch.chdir(models)
    check_base_folder("mine", folders, "X")
    monkeypatch.chdir(tmp_path)
    for other in (secret, models / "link", models / ".." / "models-of-others", "models-of-others"):
        with pytest.raises(InvalidInputError, match="outside of the folders that jobs may load"):
            check_base_folder(str(other), folders, "X")


def test_in_development_any_folder_is_read(tmp_path: Path) -> None:
    check_base_folder(str(tmp_path), TrainerSettings().model_folders, "X")


@pytest.mark.parametrize("name", ["a\0b", "/models/\0", "~nobody-has-this-name/x", "/" + "x" * 5000, "/links/loop"])
def test_what_can_be_no_path_is_refused(name: str, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InvalidInputError, match=r"cannot be a folder|lies outside of the folders"):
        check_base_folder(name.replace("/links", str(tmp_path)), [tmp_path / "models"], "X")
