"""Getting games in: sources of all kinds, good, broken and hostile."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, TooLargeError
from a3t_env.alfworld.data import sources
from a3t_env.alfworld.data.importer import import_games
from a3t_env.alfworld.data.index import GameEntry, read_index
from a3t_env.alfworld.data.store import GAME_FILE, TRAJECTORY_FILE, GameStore
from a3t_env.alfworld.data.subsets import PAPER_TRAIN, PAPER_VALID, paper_subsets
from a3t_env.alfworld.data.verify import verify_games
from a3t_env.alfworld.generator import GeneratedGame, generate_games

Files = dict[str, bytes]


@pytest.fixture
def files(generated: list[GeneratedGame]) -> Files:
    """Six games in the official layout, in memory."""
    content: Files = {}
    for game in generated[:6]:
        folder = f"json_2.1.1/train/{game.task}/{game.trial}"
        content[f"{folder}/{GAME_FILE}"] = game.game
        content[f"{folder}/{TRAJECTORY_FILE}"] = game.trajectory
        content[f"{folder}/initial_state.pddl"] = b"(define)"
    return content


@pytest.fixture
def store(tmp_path: Path) -> GameStore:
    return GameStore(tmp_path / "data")


def make_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def make_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: Files, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            archive.addfile(tar_info(name, len(data)), io.BytesIO(data))
    return path


def tar_info(name: str, size: int = 0, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.fixture
def untouched(store: GameStore, generated: list[GeneratedGame]) -> Iterator[GameStore]:
    """A store with one game, checked afterwards: index and games as they were."""
    game = generated[-1]
    with store.batch() as batch:
        batch.write("valid_seen", game.task, game.trial, GAME_FILE, game.game)
        batch.commit()

    def tree() -> dict[str, bytes]:
        found = {str(p.relative_to(store.folder)): p for p in store.folder.rglob("*") if p.is_file()}
        return {name: path.read_bytes() for name, path in found.items()}

    before = tree()
    yield store
    assert tree() == before
    assert [f for f in verify_games(store) if f] == []


@pytest.mark.parametrize("kind", ["folder", "split folder", "zip", "tar.xz", "tar.gz", "tar"])
def test_every_kind_of_source(kind: str, files: Files, store: GameStore, tmp_path: Path):
    makers: dict[str, Callable[[], Path]] = {
        "folder": lambda: make_folder(tmp_path / "src", files),
        "split folder": lambda: make_folder(tmp_path / "src", files) / "json_2.1.1" / "train",
        "zip": lambda: make_zip(tmp_path / "src.zip", files),
        "tar.xz": lambda: make_tar(tmp_path / "src.tar.xz", files, "w:xz"),
        "tar.gz": lambda: make_tar(tmp_path / "src.tar.gz", files, "w:gz"),
        "tar": lambda: make_tar(tmp_path / "src.tar", files, "w:"),
    }
    added = import_games(store, [makers[kind]()])
    assert added.games == {"train": 6}
    entries = list(store.index().games.values())
    assert len({e.type for e in entries}) == 6
    assert {e.id.split("/")[0] for e in entries} == {"train"}
    assert all((store.folder / e.path).is_file() for e in entries)
    assert [f for f in verify_games(store) if f] == []


def test_game_files_and_trajectories_may_come_from_different_archives(files: Files, store: GameStore, tmp_path: Path):
    games = make_zip(tmp_path / "tw.zip", {n: d for n, d in files.items() if n.endswith(GAME_FILE)})
    rest = {n: d for n, d in files.items() if not n.endswith(GAME_FILE)}
    rest["json_2.1.1/train/pick_and_place_simple-Mug-None-Desk-301/trial_T1/traj_data.json"] = b'{"task_type": "x"}'
    added = import_games(store, [make_zip(tmp_path / "json.zip", rest), games])
    assert added.games == {"train": 6}
    assert added.excluded == {"no game file": 1}


def test_importing_again_changes_nothing(files: Files, store: GameStore, tmp_path: Path):
    source = make_zip(tmp_path / "src.zip", files)
    import_games(store, [source])
    before = (store.folder / "index.json").read_bytes()
    added = import_games(store, [source])
    assert (added.games, added.unchanged) == ({}, 6)
    assert (store.folder / "index.json").read_bytes() == before
    assert len(list((store.folder / "games").iterdir())) == 1


def test_what_alfworld_leaves_out_is_left_out(generated: list[GeneratedGame], store: GameStore, tmp_path: Path):
    content = json.loads(generated[0].game)
    unsolvable = json.dumps(content | {"solvable": False}).encode()
    unknown = json.dumps({k: v for k, v in content.items() if k != "solvable"}).encode()
    folder = "valid_train/pick_and_place_simple-Mug-None-Desk-301"
    other = b'{"task_type": "pick_and_place_with_movable_recep"}'
    added = import_games(
        store,
        [
            make_zip(
                tmp_path / "a.zip",
                {
                    f"{folder}/trial_1/{GAME_FILE}": unsolvable,
                    f"{folder}/trial_2/{GAME_FILE}": unknown,
                    f"{folder}/trial_3/{GAME_FILE}": generated[0].game,
                    f"{folder}/trial_4/{GAME_FILE}": generated[0].game,
                    f"{folder}/trial_4/{TRAJECTORY_FILE}": other,
                    f"valid_train/pick_heat_then_place_in_recep-AppleSliced-None-Desk-1/trial_5/{GAME_FILE}": generated[
                        0
                    ].game,
                },
            )
        ],
    )
    assert added.games == {"valid_train": 1}
    assert added.excluded == {"unsolvable": 2, "other task type": 1, "sliced object or movable receptacle": 1}
    assert len(list(store.folder.rglob(GAME_FILE))) == 1


def test_the_older_release_comes_as_a_split_of_its_own(files: Files, store: GameStore, tmp_path: Path):
    import_games(store, [make_zip(tmp_path / "new.zip", files)])
    older = {}
    for game in generate_games("generated_train", 6, seed=5, verb_form="put"):
        older[f"json_2.1.1/train/{game.task}/{game.trial}/{GAME_FILE}"] = game.game
    source = make_zip(tmp_path / "old.zip", older)
    with pytest.raises(ConflictError, match="--split train_put"):
        import_games(store, [source])
    with pytest.raises(ConflictError, match="twice, with different content"):
        import_games(GameStore(tmp_path / "other"), [tmp_path / "new.zip", source])
    assert import_games(store, [source], split="train_put").games == {"train_put": 6}
    forms = {e.split: e.verb_form for e in store.index().games.values()}
    assert forms == {"train": "move", "train_put": "put"}
    assert import_games(store, [source], replace=True).games == {"train": 6}
    assert {e.verb_form for e in store.index().games.values()} == {"put"}


def test_one_split_name_for_several_splits_is_refused(files: Files, untouched: GameStore, tmp_path: Path):
    more = {name.replace("/train/", "/valid_seen/"): data for name, data in files.items()}
    with pytest.raises(InvalidInputError, match="several splits"):
        import_games(untouched, [make_zip(tmp_path / "a.zip", files | more)], split="mine")


GAME = f"train/pick_and_place_simple-Mug-None-Desk-301/trial_1/{GAME_FILE}"


def broken_games(game: bytes) -> dict[str, tuple[bytes, str]]:
    content = json.loads(game)
    return {
        "truncated": (game[: len(game) // 2], "truncated or damaged"),
        "empty": (b"", "truncated or damaged"),
        "binary": (bytes(range(256)) * 10, "truncated or damaged"),
        "a list": (b"[]", "not a game"),
        "wrong types": (json.dumps(content | {"grammar": 7}).encode(), "'grammar' is missing or not a text"),
        "deep nesting": (b'{"a":' * 200_000, "truncated or damaged"),
        "huge": (game + b" " * 5 * 2**20, "MiB"),
        "other domain": (json.dumps(content | {"pddl_domain": "(define (domain x))"}).encode(), "not that of a known"),
        "other grammar": (json.dumps(content | {"grammar": "{}"}).encode(), "no task"),
        "cut problem": (json.dumps(content | {"pddl_problem": content["pddl_problem"][:9000]}).encode(), "lacks its"),
    }


_CASES = (
    "truncated",
    "empty",
    "binary",
    "a list",
    "wrong types",
    "deep nesting",
    "huge",
    "other domain",
    "other grammar",
    "cut problem",
)


@pytest.mark.parametrize("case", _CASES)
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_broken_games_are_refused_whole(
    case: str, kind: str, files: Files, generated: list[GeneratedGame], untouched: GameStore, tmp_path: Path
):
    data, message = broken_games(generated[0].game)[case]
    content = files | {GAME: data}
    makers = {"folder": make_folder, "zip": make_zip, "tar": make_tar}
    with pytest.raises((InvalidInputError, TooLargeError), match=message) as caught:
        import_games(untouched, [makers[kind](tmp_path / f"source.{kind}", content)])
    assert "trial_1" in str(caught.value)


@pytest.mark.parametrize("trajectory", [b"{", b"[]", b'{"task_type": 3}', b"[" * 100_000])
def test_broken_trajectories_are_refused(
    trajectory: bytes, generated: list[GeneratedGame], untouched: GameStore, tmp_path: Path
):
    content = {GAME: generated[0].game, GAME.replace(GAME_FILE, TRAJECTORY_FILE): trajectory}
    with pytest.raises(InvalidInputError, match=r"traj_data\.json"):
        import_games(untouched, [make_zip(tmp_path / "a.zip", content)])


@pytest.mark.parametrize(
    "name", [f"../../evil/{GAME_FILE}", f"/etc/a/b/{GAME_FILE}", f"train/../../x/{GAME_FILE}", f"C:\\a\\b\\{GAME_FILE}"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_leave_their_folder_are_refused(
    name: str, kind: str, files: Files, untouched: GameStore, tmp_path: Path
):
    maker = make_zip if kind == "zip" else make_tar
    with pytest.raises(InvalidInputError, match="leads outside its folder"):
        import_games(untouched, [maker(tmp_path / f"a.{kind}", files | {name: b"{}"})])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, untouched: GameStore, tmp_path: Path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tar_info(GAME, type=kind, linkname="/etc/passwd"))
    with pytest.raises(InvalidInputError, match="a link in the place of a game"):
        import_games(untouched, [path])


def test_links_in_a_zip_and_in_a_folder_are_refused(untouched: GameStore, tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(GAME)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InvalidInputError, match="a link in the place of a game"):
        import_games(untouched, [path])
    link = tmp_path / "folder" / GAME
    link.parent.mkdir(parents=True)
    link.symlink_to("/etc/passwd")
    with pytest.raises(InvalidInputError, match="not a regular file"):
        import_games(untouched, [tmp_path / "folder"])


def test_a_linked_folder_of_games_is_refused_and_not_passed_over(files: Files, untouched: GameStore, tmp_path: Path):
    source = make_folder(tmp_path / "folder", files)
    make_folder(tmp_path / "elsewhere", {GAME: next(iter(files.values()))})
    (source / "linked").symlink_to(tmp_path / "elsewhere" / "train")
    with pytest.raises(InvalidInputError, match="not a regular file"):
        import_games(untouched, [source])


def test_an_encrypted_zip_is_refused(files: Files, untouched: GameStore, tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", files)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the first entry of the central directory
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match="is encrypted"):
        import_games(untouched, [path])


def test_names_that_are_no_text_are_refused(files: Files, untouched: GameStore, tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {name.replace("train", "trän"): data for name, data in files.items()})
    path.write_bytes(path.read_bytes().replace("trän".encode(), b"tr\xff\xffn"))
    with pytest.raises(InvalidInputError, match="is damaged, or is not an archive"):
        import_games(untouched, [path])


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bombs_are_refused(kind: str, untouched: GameStore, tmp_path: Path):
    maker = make_zip if kind == "zip" else make_tar
    with pytest.raises(TooLargeError, match="no game is that large"):
        import_games(untouched, [maker(tmp_path / f"a.{kind}", {GAME: b"\0" * 8 * 2**20})])


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_that_unpack_to_too_much_are_refused(
    kind: str, untouched: GameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 2**20)
    maker = make_zip if kind == "zip" else make_tar
    many = {f"train/other/file_{n}.png": b"\0" * 2**17 for n in range(20)}
    with pytest.raises(TooLargeError, match="unpacks to more"):
        import_games(untouched, [maker(tmp_path / f"a.{kind}", many)])


@pytest.mark.parametrize("kind", ["zip", "tar.xz", "tar.gz", "tar"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_archives_are_refused(kind: str, share: float, files: Files, untouched: GameStore, tmp_path: Path):
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        make_zip(path, files)
    else:
        make_tar(path, files, {"tar.xz": "w:xz", "tar.gz": "w:gz", "tar": "w:"}[kind])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InvalidInputError, match=r"is damaged, or is not an archive|No game\.tw-pddl|is broken"):
        import_games(untouched, [path])


@pytest.mark.parametrize(
    "data",
    [b"hello", b"PK\x03\x04 no zip", gzip.compress(b"x"), lzma.compress(b"no tar " * 99)],
    ids=["text", "zip", "gzip", "xz"],  # the bytes would be no names: gzip's hold the time of day
)
def test_what_is_no_archive_is_refused(data: bytes, untouched: GameStore, tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError):
        import_games(untouched, [path])


def test_sources_that_are_not_there_or_hold_no_games(untouched: GameStore, tmp_path: Path):
    with pytest.raises(NotFoundError, match="no folder or archive"):
        import_games(untouched, [tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"No game\.tw-pddl was found"):
        import_games(untouched, [tmp_path / "empty"])
    make_folder(tmp_path / "flat", {GAME_FILE: b"{}"})
    with pytest.raises(InvalidInputError, match="does not lie in"):
        import_games(untouched, [tmp_path / "flat"])
    with pytest.raises(InvalidInputError, match="not a valid name of a split"):
        import_games(untouched, [make_zip(tmp_path / "odd.zip", {f"tr ain/t/x/{GAME_FILE}": b"{}"})])


def test_a_folder_of_archives_says_to_name_them(untouched: GameStore, tmp_path: Path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "README.md").write_text("games")
    archive = make_zip(folder / "train.zip", {f"train/t/x/{GAME_FILE}": b"{}"})
    with pytest.raises(InvalidInputError) as caught:
        import_games(untouched, [folder])
    assert caught.value.hint == f"Archives inside a folder are not opened; name those you want: {archive}."


def test_only_one_process_adds_games_at_a_time(store: GameStore):
    with store.batch(), pytest.raises(ConflictError, match="Another process"), GameStore(store.folder).batch():
        pass


def test_what_a_killed_import_left_is_swept_away(files: Files, store: GameStore, tmp_path: Path):
    pid = os.fork()
    if pid == 0:
        with GameStore(store.folder).batch() as batch:
            batch.write("train", "t", "x", GAME_FILE, b"half")
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert len(list((store.folder / "games").iterdir())) == 1
    assert import_games(store, [make_zip(tmp_path / "a.zip", files)]).games == {"train": 6}
    assert len(list((store.folder / "games").iterdir())) == 1


def test_verify_names_missing_and_changed_games_and_importing_again_mends_them(
    files: Files, store: GameStore, tmp_path: Path
):
    import_games(store, [make_zip(tmp_path / "a.zip", files)])
    one, two, *_ = store.index().games.values()
    (store.folder / one.path).unlink()
    (store.folder / two.path).write_bytes(b"{}")
    faults = [f for f in verify_games(store) if f]
    assert [f.id for f in faults] == [one.id, two.id]
    assert "cannot be read" in faults[0].problem
    assert "changed after it was imported" in faults[1].problem
    added = import_games(store, [tmp_path / "a.zip"])
    assert (added.games, added.unchanged) == ({"train": 2}, 4)
    assert [f for f in verify_games(store) if f] == []


def test_paper_subsets_have_the_counts_of_the_paper():
    games = [
        GameEntry(f"train/{kind}/{n}", "train", kind, "", "", "move", "")
        for kind in PAPER_TRAIN
        for n in range(PAPER_TRAIN[kind] + 100)
    ]
    subsets = paper_subsets(games)
    assert subsets == paper_subsets(reversed(games))
    assert len(subsets["paper_train"]) == 600
    assert len(subsets["paper_valid"]) == 60
    assert not set(subsets["paper_train"]) & set(subsets["paper_valid"])
    for name, counts in (("paper_train", PAPER_TRAIN), ("paper_valid", PAPER_VALID)):
        for kind, count in counts.items():
            assert sum(f"/{kind}/" in id_ for id_ in subsets[name]) == count
    assert paper_subsets(games[:500]) == {}


@pytest.mark.data
def test_reference_archives_of_both_forms(reference_data: Path, store: GameStore):
    folder = reference_data / "alfworld"
    assert import_games(store, [folder / "valid_seen.tar.xz"]).games == {"valid_seen": 140}
    with pytest.raises(ConflictError):
        import_games(store, [folder / "valid_seen_put.tar.xz"])
    import_games(store, [folder / "valid_seen_put.tar.xz"], split="valid_seen_put")
    index = read_index(store.folder)
    assert index.splits() == {"valid_seen": 140, "valid_seen_put": 140}
    assert {e.verb_form for e in index.of("valid_seen_put")} == {"put"}


def several_broken(files: Files, generated: list[GeneratedGame]) -> Files:
    """The good games, one whose file is cut, one that is empty, one whose name is none."""
    game = generated[0].game
    return files | {
        GAME: game[:500],
        GAME.replace("trial_1", "trial_2"): b"",
        GAME.replace("trial_1", "-no name-"): game,
    }


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_all_broken_games_are_named(
    kind: str, files: Files, generated: list[GeneratedGame], untouched: GameStore, tmp_path: Path
):
    makers = {"folder": make_folder, "zip": make_zip, "tar": make_tar}
    source = makers[kind](tmp_path / f"source.{kind}", several_broken(files, generated))
    with pytest.raises(InvalidInputError, match="games are broken") as caught:
        import_games(untouched, [source])
    text = str(caught.value)
    for words in ("3 of ", "trial_1", "trial_2", "-no name-", "Nothing was added", "--skip-broken"):
        assert words in text


def test_broken_games_can_be_skipped(files: Files, generated: list[GeneratedGame], tmp_path: Path):
    store = GameStore(tmp_path / "data")
    alone = import_games(GameStore(tmp_path / "other"), [make_zip(tmp_path / "good.zip", files)])
    source = make_zip(tmp_path / "a.zip", several_broken(files, generated))
    added = import_games(store, [source], skip_broken=True)
    assert added.games == alone.games
    assert len(added.broken) == 3
    assert any("trial_2" in line for line in added.broken)
    again = import_games(store, [source], skip_broken=True)
    assert (again.games, len(again.broken)) == ({}, 3)


def test_nothing_is_left_where_all_games_are_broken(tmp_path: Path):
    store = GameStore(tmp_path / "data")
    with pytest.raises(InvalidInputError, match=r"trial_1 is broken\..*Nothing was added\.$"):
        import_games(store, [make_zip(tmp_path / "a.zip", {GAME: b""})], skip_broken=True)
    assert store.index().splits() == {}
