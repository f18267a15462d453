"""WebShop as an environment of the env service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from a3t_contracts.errors import InvalidInputError, UnplayableError
from a3t_contracts.schemas import EnvironmentInfo, Task

from .catalogue.store import Catalogue
from .description import ABOUT, GET_DATA, MAX_STEPS, PUBLISHED, SEPARATOR, SUCCESS, TASK_NUMBERS, example
from .episode import WebShopEpisode
from .folders import current_catalogue
from .game.session import Mode, ShopSession
from .game.shop import Shop
from .goals.draw import DEFAULT_SEED, GoalKind
from .goals.nouns import Tagger
from .goals.table import ShopGoal
from .tasks import TaskList, parse_task_id, ranges_of, task_of

__all__ = ["ENGINE", "WebShopEnvironment"]

ENGINE = "native"
_OPTIONS = {"mode": get_args(Mode), "show_attributes": ("false", "true")}


class WebShopEnvironment:
    """The tasks of one catalogue. Sessions share everything but a few kilobytes of state.

    Args:
        data_folder: `<A3T_HOME>/data`; catalogues are in its folder `webshop`.
        catalogue: name of the catalogue; default: the current one (see `a3t data list webshop`).
        seed: seed of purchase prices and price limits; default: 233, the seed of the published recordings.
        tagger: finds nouns for the type part of rewards; default: spaCy's model if it is installed, else a rule.

    Raises NotFoundError if there is no such catalogue, InvalidInputError for one of another format.
    """

    inline_engines = frozenset[str]()

    def __init__(
        self, data_folder: Path, catalogue: str | None = None, seed: int = DEFAULT_SEED, tagger: Tagger | None = None
    ) -> None:
        self.shop = Shop(Catalogue(current_catalogue(data_folder / "webshop", catalogue)), seed, tagger)
        self._ranges = ranges_of(self.shop)

    def info(self) -> EnvironmentInfo:
        """The description, with the splits that have tasks; task types are the shop's categories."""
        return EnvironmentInfo(
            name="webshop",
            engines=[ENGINE],
            splits={name: len(numbers) for name, (_, numbers) in self._ranges.items()},
            task_types=sorted(self.shop.catalogue.categories),
            max_steps=MAX_STEPS,
            about=ABOUT,
            example=example(),
            multiline=True,
            separator=SEPARATOR,
            success=SUCCESS,
            get_data=GET_DATA,
            task_numbers=TASK_NUMBERS,
            published=PUBLISHED,
        )

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the order of the goals. Without a split, the tasks of the synthetic goals. An unknown split has
        no tasks.
        """
        if split is not None and split not in self._ranges:
            return ()
        kind, numbers = self._ranges[split] if split else ("synthetic", range(len(self.shop.synthetic)))
        tasks = TaskList(self.shop, kind, numbers, split)
        return tasks.of_type(type) if type else tasks

    def task(self, task_id: str) -> Task:
        """The task with this id. Raises NotFoundError."""
        return task_of(self.shop, *parse_task_id(task_id))

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> WebShopEpisode:
        """A new episode. Options: `mode` (text, text_rich or url) and `show_attributes` (true or false).

        `seed` draws the results of searches for random products. Raises NotFoundError, InvalidInputError, and
        UnplayableError if the goal's product can no longer be read.
        """
        if engine not in (None, ENGINE):
            raise InvalidInputError(f"WebShop has no engine {str(engine)[:40]!r}.", hint=f"Engines: {ENGINE}.")
        mode, show = _read_options(options or {})
        kind, number = parse_task_id(task_id)
        goal = self._goal(task_id, kind, number)
        return WebShopEpisode(ShopSession(self.shop, goal, str(number), show_attributes=show, seed=seed), mode)

    def _goal(self, task_id: str, kind: GoalKind, number: int) -> ShopGoal:
        try:
            return self.shop.goals(kind).goal(number)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            name = self.shop.catalogue.folder.name
            raise UnplayableError(
                f"The product of {task_id} in the catalogue {name!r} cannot be read: {error!r}",
                hint="`a3t data verify webshop` says what is damaged; import or generate the catalogue again.",
            ) from error


def _read_options(options: Mapping[str, str]) -> tuple[Mode, bool]:
    for name, value in options.items():
        if name not in _OPTIONS:
            raise InvalidInputError(
                f"WebShop has no session option {name[:40]!r}.", hint=f"Options: {', '.join(_OPTIONS)}."
            )
        if value not in _OPTIONS[name]:
            raise InvalidInputError(
                f"The session option {name} cannot be {value[:40]!r}.", hint=f"One of: {', '.join(_OPTIONS[name])}."
            )
    modes: dict[str, Mode] = {"text": "text", "text_rich": "text_rich", "url": "url"}
    return modes[options.get("mode", "text")], options.get("show_attributes") == "true"
