"""The kinds of recordings and how each is replayed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from a3t_contracts.errors import InvalidInputError

from ..catalogue.build import build_catalogue
from ..catalogue.records import document_text
from ..catalogue.sources import find_files
from ..catalogue.store import Catalogue
from ..game.shop import Shop
from ..goals.nouns import rule_nouns
from ..goals.reward import Reward, purchase_reward
from ..goals.table import GoalTable, ShopGoal
from ..goals.title_tokens import title_tokens
from ..search.analysis import Analyzer, analyze
from .episodes import replay_episodes
from .report import Agreement, json_lines

__all__ = ["KINDS", "open_shop", "replay"]


@contextmanager
def open_shop(folder: Path) -> Iterator[Shop]:
    """Open the shop of a catalogue folder, or of a folder with the original's files (built in a temporary folder).

    In the recordings, the type part of rewards takes every alphabetic token for a noun, so the rule is used here.
    """
    if (folder / "manifest.json").is_file():
        yield Shop(Catalogue(folder), tagger=rule_nouns)
        return
    with TemporaryDirectory(prefix="a3t-webshop-") as temporary:
        target = Path(temporary) / "recorded"
        build_catalogue(find_files([folder]), target, "imported")
        yield Shop(Catalogue(target), tagger=rule_nouns)


def replay(shop: Shop, reference: Path, *, pay_once: bool = True, kinds: Sequence[str] = ()) -> list[Agreement]:
    """Replay all recordings of a folder, or some kinds of them.

    Raises InvalidInputError for an unknown kind, or if there is nothing to replay.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise InvalidInputError(f"There is no kind {sorted(unknown)[0]!r}.", hint=f"Kinds: {', '.join(KINDS)}.")
    found: list[Agreement] = []
    for kind in kinds or KINDS:
        found += KINDS[kind](shop, reference, pay_once)
    found = [agreement for agreement in found if agreement.checked]
    if not found:
        raise InvalidInputError(f"There are no recordings in {reference}.", hint="See docs/webshop.md for their names.")
    return found


def _goals(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    for name, table in (("goals", shop.synthetic), ("human_goals", shop.human)):
        agreement = Agreement(name.replace("_", " "))
        for data in _documents(reference, f"{name}*.json"):
            for row in data["goals"]:
                goal = _as_recorded(table.goal(row["i"]))
                agreement.compare(f"goal {row['i']}", goal, {k: v for k, v in row.items() if k in goal})
            agreement.compare("number of goals", {"n": len(table)}, {"n": data.get("n", len(table))})
        yield agreement


def _as_recorded(goal: ShopGoal) -> dict[str, Any]:
    return {
        "asin": goal.asin,
        "instruction_text": goal.instruction,
        "attributes": goal.attributes,
        "goal_options": goal.options,
        "price_upper": goal.price_limit,
        "category": goal.category,
        "query": goal.query,
        "product_category": goal.product_category,
        "name": goal.title,
        "weight": goal.weight,
    }


def _prices(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    agreement = Agreement("prices")
    for data in _documents(reference, "prices*.json"):
        for asin, price in data.items():
            drawn = float(shop.synthetic.prices[shop.catalogue.number(asin)])
            agreement.compare(asin, {"price": drawn}, {"price": price})
    yield agreement


def _resets(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    agreement = Agreement("random resets")
    for row in json_lines(reference, "random_resets*.jsonl"):
        session, goal = shop.synthetic.random_reset(random.Random(row["seed"]))
        recorded = {"session": row["session"], "goal": row["goal"]}
        agreement.compare(f"seed {row['seed']}", {"session": session, "goal": goal}, recorded)
    yield agreement


def _oracle(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    agreement = Agreement("buying what was asked for")
    for data in _documents(reference, "goal_oracle*.json"):
        for index, total, r_option in data["rows"]:
            goal = shop.synthetic.goal(index)
            options = goal.options if isinstance(goal.options, dict) else {}
            reward = shop.reward(goal.product, goal, options)
            ours = {"reward": reward.total, "r_option": reward.r_option}
            agreement.compare(f"goal {index}", ours, {"reward": total, "r_option": r_option})
    yield agreement


def _terms(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    terms, analyzer = Agreement("terms of documents"), Analyzer()
    for row in json_lines(reference, "doc_terms*.jsonl"):
        product = shop.catalogue.product(shop.catalogue.number(row["asin"]))
        terms.compare(row["asin"], {"terms": " ".join(analyzer(document_text(product)))}, {"terms": row["terms"]})
    titles = Agreement("nouns of titles (rule)")
    for row in json_lines(reference, "title_tokens*.jsonl"):
        recorded = [token for token in row["tokens"] if token.isalpha()]
        ours = [token for token in title_tokens(row["name"]) if token.isalpha()]
        titles.compare(row["asin"], {"nouns": ours}, {"nouns": recorded})
    yield terms
    yield titles


def _rankings(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    terms, ten = Agreement("terms of queries"), Agreement("rankings, ten places", 0.99)
    fifty = Agreement("rankings, fifty places", 0.99)
    for row in json_lines(reference, "rankings*.jsonl"):
        where = f"query {row['id']}: {row['q'][:60]!r}"
        hits = shop.catalogue.index.search(row["q"])
        asins = [shop.catalogue.asin(hit.document) for hit in hits]
        terms.compare(where, {"terms": analyze(row["q"])}, {"terms": row["terms"]})
        ten.compare(where, {"asins": asins[:10]}, {"asins": row["asins"][:10]})
        fifty.compare(where, {"asins": asins}, {"asins": row["asins"]})
    return terms, ten, fifty


def _rewards(shop: Shop, reference: Path, _: bool) -> Iterable[Agreement]:
    parts = Agreement("reward parts")
    kind, total = Agreement("type part, tags do not matter"), Agreement("reward, tags do not matter")
    tagged = Agreement("reward, tags matter (rule)")
    for row in json_lines(reference, "rewards*.jsonl"):
        where, table = f"reward {row['id']}", shop.synthetic if row["goal_set"] == "synthetic" else shop.human
        reward = _reward_of(shop, table, row)
        parts.compare(where, _parts(reward), _recorded_parts(row))
        if not row["spacy"]["matters"]:
            kind.compare(where, {"r_type": reward.r_type}, {"r_type": row["info"]["r_type"]})
        agreement = tagged if row["spacy"]["reward_matters"] else total
        agreement.compare(where, {"reward": reward.total}, {"reward": row["reward"]})
    return parts, kind, total, tagged


def _reward_of(shop: Shop, table: GoalTable, row: dict[str, Any]) -> Reward:
    product = shop.catalogue.product(shop.catalogue.number(row["asin"]))
    return purchase_reward(product, table.goal(row["goal"]), row["price"], row["options"], rule_nouns)


def _parts(reward: Reward) -> dict[str, Any]:
    counts = {"n_att_match": reward.attribute_matches, "n_opt_match": reward.option_matches}
    return {"r_option": None, "w_option": None, **reward.parts(), **counts}


def _recorded_parts(row: dict[str, Any]) -> dict[str, Any]:
    info = {key: value for key, value in row["info"].items() if key not in ("r_type", "title_score")}
    counts = {"n_att_match": row["n_att_match"], "n_opt_match": row["n_opt_match"]}
    return {"r_option": None, "w_option": None, **info, **counts, "base": row["base"]}


def _documents(folder: Path, pattern: str) -> Iterator[Any]:
    for path in sorted(folder.glob(pattern)):
        yield orjson.loads(path.read_bytes())


KINDS: dict[str, Callable[[Shop, Path, bool], Iterable[Agreement]]] = {
    "goals": _goals,
    "prices": _prices,
    "resets": _resets,
    "oracle": _oracle,
    "terms": _terms,
    "rankings": _rankings,
    "rewards": _rewards,
    "episodes": replay_episodes,
}
