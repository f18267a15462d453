"""The backup of the registry in docs/deploy.md, as the services' user on a volume that belongs to root."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
UID = 10001


def volume(folder: Path) -> Path:
    """A volume as a storage class hands it out: root's, the group may write."""
    folder.mkdir()
    os.chown(folder, 0, UID)
    folder.chmod(0o2775)
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_the_registry_comes_back_whole(tmp_path: Path) -> None:
    text = DEPLOY.read_text()
    packs = set(re.findall(r"sh (?:trainer )?-c '(cd /registry && tar [^']*)'", text))
    unpacks = set(re.findall(r"tar (?:trainer )?-C /registry (-x\S+ -)", text))
    assert len(packs) == len(unpacks) == 1, "Docker and Kubernetes do the same"
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    source, target = volume(tmp_path / "source"), volume(tmp_path / "target")
    (source / "lost+found").mkdir(mode=0o700)
    for name in ("r-r01/weights", "r-r02/weights", ".hidden/part", "live"):
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.chown(path.parent, UID if path.parent != source else 0, UID)
        os.chown(path, UID, UID)

    def act(command: str, **pipes: bytes) -> bytes:
        done = subprocess.run(["sh", "-c", command], user=UID, group=UID, extra_groups=[], capture_output=True, **pipes)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    archive = act(packs.pop().replace("/registry", str(source)))
    unpack = f"tar -C {target} {unpacks.pop()}"
    act(unpack, input=archive)
    act(unpack, input=archive)  # over what is there
    found = {str(p.relative_to(target)): p.read_text() for p in target.rglob("*") if p.is_file()}
    assert found == {name: name for name in ("r-r01/weights", "r-r02/weights", ".hidden/part", "live")}
