"""Which build of torch `scripts/install_torch.sh` asks for. The uv here is a fake that writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_torch.sh"
VERSION = "2.13.0"
CPU_INDEX = "--torch-backend=cpu"
UV = """#!/bin/bash
echo "$*" >> "$ASKED"
[[ ! "$*" =~ $REFUSED && ! "$*" =~ --index-strategy.*--index-strategy ]]  # as uv, which takes that option once
"""


@dataclass
class Machine:
    """A machine with bash, pip and the fake uv, without an NVIDIA driver and without pip configuration of its own."""

    folder: Path

    def __post_init__(self) -> None:
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for tool in ("bash", "sed", "tr", "uname"):
            (bin_folder / tool).symlink_to(str(shutil.which(tool)))
        self.program(bin_folder / "python3", f'#!/bin/bash\nexec {sys.executable} "$@"\n')
        self.program(bin_folder / "uv", UV)
        self.program(self.folder / "venv" / "bin" / "python", "#!/bin/bash\nexit 1\n")  # no torch yet

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def wheel(self, folder: str, label: str, *needs: str) -> str:
        """A wheel of torch that holds nothing but its metadata; the folder's path."""
        path = self.folder / folder / f"torch-{VERSION}{label}-cp311-cp311-manylinux_2_28_x86_64.whl"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as wheel:
            lines = [f"Name: torch\nVersion: {VERSION}{label}", *(f"Requires-Dist: {need}" for need in needs)]
            wheel.writestr(f"torch-{VERSION}{label}.dist-info/METADATA", "\n".join(lines))
        return str(path.parent)

    def install(self, refused: str = "^$", **settings: str) -> tuple[int, list[str], str]:
        """(exit code, what uv was asked for, what was said); uv refuses what matches `refused`."""
        asked = self.folder / "asked"
        isolated = {"HOME": str(self.folder), "PIP_CONFIG_FILE": os.devnull, "PATH": str(self.folder / "bin")}
        done = subprocess.run(
            ["bash", str(SCRIPT), str(self.folder / "venv")],
            env=isolated | {"ASKED": str(asked), "REFUSED": refused} | settings,
            capture_output=True,
            text=True,
            executable=str(self.folder / "bin" / "bash"),
        )
        return done.returncode, asked.read_text().splitlines(), done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_driver_the_cpu_index_is_asked(machine: Machine) -> None:
    code, asked, said = machine.install()
    assert (code, said) == (0, "")
    (only,) = asked
    assert only.endswith(f"{CPU_INDEX} torch=={VERSION}")


@pytest.mark.parametrize("variable", ["PIP_FIND_LINKS", "UV_FIND_LINKS"])
def test_a_folder_with_a_cpu_wheel_comes_first(machine: Machine, variable: str) -> None:
    wheels = machine.wheel("wheels", "+cpu", "filelock")
    empty = machine.folder / "empty"
    empty.mkdir()
    between = "," if variable == "UV_FIND_LINKS" else " "
    code, asked, _ = machine.install(**{variable: f"{empty}{between}{wheels}"})
    (only,) = asked
    assert code == 0
    assert only.endswith(f"--find-links {empty} --find-links {wheels} torch=={VERSION}+cpu")


@pytest.mark.parametrize("section", ["global", "install"])
def test_every_level_of_pips_configuration_counts(machine: Machine, section: str) -> None:
    wheels = machine.wheel("wheels", "")
    config = machine.folder / "pip.conf"
    config.write_text(f"[{section}]\nfind-links =\n    https://wheels.example.com/simple.html\n    {wheels}\n")
    _, asked, _ = machine.install(PIP_CONFIG_FILE=str(config))
    (only,) = asked
    assert only.endswith(f"--find-links {wheels} torch=={VERSION}")


def test_a_wheel_with_cuda_is_no_cpu_build(machine: Machine) -> None:
    wheels = machine.wheel("wheels", "", "filelock", "nvidia-cublas (>=13)")
    _, asked, _ = machine.install(PIP_FIND_LINKS=wheels)
    assert CPU_INDEX in asked[0]


def test_other_indexes_that_pip_knows_are_tried(machine: Machine) -> None:
    mirrors = ["https://one.example.com/simple", "https://two.example.com/simple"]
    code, (only,), _ = machine.install(PIP_EXTRA_INDEX_URL=" ".join(mirrors))
    assert code == 0
    assert only.endswith(f"--index-strategy unsafe-best-match torch=={VERSION}+cpu")
    assert all(f"--extra-index-url {mirror}" in only for mirror in mirrors)
    _, asked, _ = machine.install(refused="[+]cpu", PIP_EXTRA_INDEX_URL=mirrors[0])
    assert CPU_INDEX in asked[-1]


def test_cuda_is_never_fetched_in_silence(machine: Machine) -> None:
    code, asked, said = machine.install(refused=CPU_INDEX)
    assert code == 0
    assert asked[-1].endswith(f"torch=={VERSION}")
    for needed in ("3 GB", "CPU index", "PIP_FIND_LINKS=FOLDER", "TORCH_BACKEND=cpu"):
        assert needed in said


def test_who_asks_for_the_cpu_gets_nothing_else(machine: Machine) -> None:
    code, asked, said = machine.install(refused=CPU_INDEX, TORCH_BACKEND="cpu")
    assert code == 1
    assert all(CPU_INDEX in line for line in asked)
    assert "Nothing is installed" in said
    assert "3 GB" not in said


def test_a_driver_or_a_setting_brings_cuda(machine: Machine) -> None:
    wheels = machine.wheel("wheels", "+cpu")
    _, asked, _ = machine.install(TORCH_BACKEND="cu130", PIP_FIND_LINKS=wheels)
    assert asked[-1].endswith(f"--torch-backend=cu130 torch=={VERSION}")
    machine.program(machine.folder / "bin" / "nvidia-smi", "#!/bin/bash\n")
    _, asked, said = machine.install(PIP_FIND_LINKS=wheels)
    assert asked[-1].endswith(f"--torch-backend=auto torch=={VERSION}")
    assert said == ""
