"""The native engine's rules, on a small room written out by hand."""

from __future__ import annotations

import contextlib
import json

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_env.alfworld.game_file import read_game_file
from a3t_env.alfworld.generator.package import load_package
from a3t_env.alfworld.native import NativeEngine, parse_game
from a3t_env.alfworld.native.names import demangle

APPLE, KNIFE, MUG, LAMP, BOX, PEN = (f"{n}_bar_1" for n in ("Apple", "Knife", "Mug", "DeskLamp", "Box", "Pen"))
FRIDGE, COUNTER, SHELF, WAVE, SINK, BASIN = (
    "Fridge_bar_1",
    "CounterTop_bar_1",
    "Shelf_bar_1",
    "Microwave_bar_1",
    "Sink_bar_1",
    "Sink_bar_1_bar_SinkBasin",
)
L1, L2, L3, L4, L9 = (f"loc_bar_{n}" for n in (1, 2, 3, 4, 9))

TYPES = {
    FRIDGE: "Fridge",
    COUNTER: "CounterTop",
    SHELF: "Shelf",
    WAVE: "Microwave",
    BASIN: "SinkBasin",
    APPLE: "Apple",
    KNIFE: "Knife",
    MUG: "Mug",
    LAMP: "DeskLamp",
    BOX: "Box",
    PEN: "Pen",
}
RECEPTACLES = (FRIDGE, COUNTER, SHELF, WAVE, BASIN)
FACTS = [
    *(f"receptacleType {r} {TYPES[r]}Type" for r in RECEPTACLES),
    *(f"objectType {o} {t}Type" for o, t in TYPES.items() if o not in RECEPTACLES),
    *(f"canContain {r}Type {o}Type" for r in ("Fridge", "CounterTop", "Shelf") for o in ("Apple", "Mug")),
    "canContain CounterTopType KnifeType",
    *(f"pickupable {o}" for o in (APPLE, KNIFE, MUG, BOX)),
    f"openable {FRIDGE}",
    f"openable {WAVE}",
    f"heatable {APPLE}",
    f"coolable {APPLE}",
    f"cleanable {APPLE}",
    f"sliceable {APPLE}",
    f"toggleable {LAMP}",
    f"isReceptacleObject {BOX}",
    f"inReceptacleObject {PEN} {BOX}",
    f"inReceptacle {APPLE} {COUNTER}",
    f"inReceptacle {KNIFE} {COUNTER}",
    f"inReceptacle {MUG} {FRIDGE}",
    f"inReceptacle {LAMP} {SHELF}",
    f"inReceptacle {BOX} {SHELF}",
    f"receptacleAtLocation {FRIDGE} {L1}",
    f"receptacleAtLocation {COUNTER} {L2}",
    f"receptacleAtLocation {SHELF} {L2}",
    f"receptacleAtLocation {WAVE} {L3}",
    f"receptacleAtLocation {BASIN} {L4}",
    f"atLocation agent1 {L9}",
    f"objectAtLocation {APPLE} {L2}",
    f"objectAtLocation {KNIFE} {L2}",
    f"objectAtLocation {MUG} {L1}",
]
HOT_APPLE = ("pick_heat_then_place_in_recep", {"obj": "Apple", "recep": "Fridge"})


def problem(task: str, parts: dict[str, str], facts: list[str]) -> str:
    declared = [
        "agent1 - agent",
        *(f"{r} - receptacle" for r in RECEPTACLES),
        *(f"{o} - object" for o in TYPES if o not in RECEPTACLES),
        *(f"{place} - location" for place in (L1, L2, L3, L4, L9)),
        *(f"{kind}Type - {'rtype' if e in RECEPTACLES else 'otype'}" for e, kind in TYPES.items()),
    ]
    goal = load_package().goal(task).format(**({"obj": "", "recep": "", "toggle": ""} | parts))
    body = "\n".join(f"({fact})" for fact in facts)
    return f"(define (problem p) (:domain alfred) (:objects {' '.join(declared)})\n(:init\n{body})\n{goal}"


def engine(
    task: str = HOT_APPLE[0], parts: dict[str, str] = HOT_APPLE[1], facts: list[str] = FACTS, grammar: str | None = None
) -> NativeEngine:
    package = load_package()
    words = grammar or package.grammar.replace("UNKNOWN GOAL", "heat some apple and put it in fridge")
    started = NativeEngine(parse_game(package.domain, words, problem(task, parts, facts)))
    started.start()
    return started


def play(player: NativeEngine, *commands: str) -> str:
    """Do the commands; the last observation."""
    text = ""
    for command in commands:
        text, valid = player.step(command)
        assert valid, command
    return text


def test_introduction_lists_the_room_and_a_later_look_does_not():
    player = engine()
    assert player.start() == (
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see a "
        "countertop 1, a fridge 1, a microwave 1, a shelf 1, and a sinkbasin 1.\n\n"
        "Your task is to: heat some apple and put it in fridge."
    )
    assert play(player, "look") == "You are in the middle of a room. Looking quickly around you, you see nothing."
    assert play(player, "inventory") == "You are not carrying anything."


def test_winning_by_heating_and_placing():
    player = engine()
    arrived = play(player, "go to countertop 1")
    assert arrived == "You arrive at countertop 1. On the countertop 1, you see a apple 1, and a knife 1."
    assert play(player, "take apple 1 from countertop 1") == "You pick up the apple 1 from the countertop 1."
    assert play(player, "go to microwave 1") == "You arrive at microwave 1. The microwave 1 is closed."
    assert play(player, "heat apple 1 with microwave 1") == "You heat the apple 1 using the microwave 1."
    assert play(player, "examine apple 1") == "This is a hot apple 1."
    opened = play(player, "go to fridge 1", "open fridge 1")
    assert opened == "You open the fridge 1. The fridge 1 is open. In it, you see a mug 1."
    assert not player.won
    assert play(player, "move apple 1 to fridge 1") == "You move the apple 1 to the fridge 1."
    assert player.won


def test_cold_apple_does_not_win_and_cooling_undoes_heating():
    player = engine()
    play(player, "go to countertop 1", "take apple 1 from countertop 1", "go to microwave 1")
    play(player, "heat apple 1 with microwave 1", "go to fridge 1", "cool apple 1 with fridge 1")
    assert play(player, "examine apple 1") == "This is a cold apple 1."
    play(player, "open fridge 1", "move apple 1 to fridge 1")
    assert not player.won


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ((), "There's nothing special about apple 1."),
        (("go to sinkbasin 1", "clean apple 1 with sinkbasin 1"), "This is a clean apple 1."),
        (
            ("go to sinkbasin 1", "clean apple 1 with sinkbasin 1", "go to fridge 1", "cool apple 1 with fridge 1"),
            "This is a cool and clean apple 1.",
        ),
    ],
)
def test_examining_a_held_object_tells_its_condition(before: tuple[str, ...], text: str):
    player = engine()
    play(player, "go to countertop 1", "take apple 1 from countertop 1", *before)
    assert play(player, "examine apple 1") == text


def test_objects_can_only_be_examined_in_the_hand():
    player = engine()
    play(player, "go to countertop 1")
    assert "examine apple 1" not in player.actions()
    assert player.step("examine apple 1") == ("Nothing happens.", False)


def test_slicing_needs_a_knife_in_hand_and_the_object_at_the_place():
    player = engine()
    play(player, "go to countertop 1", "take knife 1 from countertop 1")
    assert play(player, "slice apple 1 with knife 1") == "You sliced the apple 1 with the knife 1."
    play(player, "move knife 1 to countertop 1", "take apple 1 from countertop 1")
    assert play(player, "examine apple 1") == "This is a sliced apple 1."


def test_receptacles_at_the_same_place_share_it():
    player = engine()
    play(player, "go to countertop 1")
    assert player.step("go to shelf 1") == ("Nothing happens.", False)
    assert play(player, "examine shelf 1") == "On the shelf 1, you see a box 1, and a desklamp 1."
    play(player, "take apple 1 from countertop 1", "move apple 1 to shelf 1")
    assert play(player, "look") == "You are facing the countertop 1, and shelf 1. Next to it, you see a apple 1."
    play(player, "take apple 1 from shelf 1", "move apple 1 to countertop 1")
    assert play(player, "look") == "You are facing the countertop 1, and shelf 1. Next to it, you see a apple 1."


def test_things_inside_receptacle_objects_are_told():
    player = engine()
    play(player, "go to shelf 1", "take box 1 from shelf 1")
    assert play(player, "examine box 1") == "This is a normal box 1. In it, you see a pen 1."


def test_lamps_turn_on_even_behind_a_closed_door_and_stay_in_place():
    facts = [f.replace(f"inReceptacle {LAMP} {SHELF}", f"inReceptacle {LAMP} {FRIDGE}") for f in FACTS]
    player = engine(facts=facts)
    play(player, "go to fridge 1")
    assert "open fridge 1" in player.actions()
    assert play(player, "use desklamp 1") == "You turn on the desklamp 1."
    assert play(player, "use desklamp 1") == "You turn on the desklamp 1."
    assert "take desklamp 1 from fridge 1" not in player.actions()


def test_light_goal_needs_the_object_in_hand_beside_the_lit_lamp():
    player = engine("look_at_obj_in_light", {"obj": "Apple", "toggle": "DeskLamp"})
    play(player, "go to shelf 1", "use desklamp 1")
    assert not player.won
    play(player, "take apple 1 from countertop 1")
    assert player.won
    play(player, "go to fridge 1")
    assert not player.won


def test_two_objects_must_lie_in_one_receptacle():
    facts = [*FACTS, f"objectType {PEN} AppleType", f"pickupable {PEN}", f"inReceptacle {PEN} {SHELF}"]
    facts = [f for f in facts if f != f"objectType {PEN} PenType"]
    player = engine("pick_two_obj_and_place", {"obj": "Apple", "recep": "Shelf"}, facts)
    play(player, "go to countertop 1")
    assert not player.won
    play(player, "take apple 1 from countertop 1", "move apple 1 to shelf 1")
    assert player.won


def test_an_object_listed_twice_stays_listed_where_it_was_not_taken_from():
    player = engine(facts=[*FACTS, f"inReceptacle {APPLE} {SHELF}"])
    play(player, "go to countertop 1", "take apple 1 from countertop 1")
    assert play(player, "examine shelf 1") == "On the shelf 1, you see a apple 1, a box 1, and a desklamp 1."


def test_admissible_commands_are_sorted_and_complete():
    player = engine()
    play(player, "go to countertop 1")
    assert player.actions() == [
        "examine countertop 1",
        "examine shelf 1",
        "go to fridge 1",
        "go to microwave 1",
        "go to sinkbasin 1",
        "help",
        "inventory",
        "look",
        "take apple 1 from countertop 1",
        "take box 1 from shelf 1",
        "take knife 1 from countertop 1",
        "use desklamp 1",
    ]


@pytest.mark.parametrize("command", ["", " ", "Look", "go to", "go  to fridge 1", "take apple 1", "xyzzy", "\0", "☃"])
def test_malformed_commands_do_nothing(command: str):
    player = engine()
    before = player.actions()
    assert player.step(command) == ("Nothing happens.", False)
    assert player.actions() == before


def test_blanks_around_a_command_do_not_matter():
    assert engine().step("  look\n")[1]


def test_older_grammar_says_put_and_names_locations():
    grammar = load_package().grammar.replace("UNKNOWN GOAL", "put a apple in fridge")
    grammar = grammar.replace('"move {o} to {r}"', '"put {o} in/on {r}"')
    grammar = grammar.replace("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}.")
    grammar = grammar.replace("You arrive at {r.name}.", "You arrive at {lend.name}.")
    player = engine(grammar=grammar)
    assert play(player, "go to fridge 1", "open fridge 1").startswith("You open the fridge 1.")
    assert play(player, "go to countertop 1").startswith("You arrive at loc 4. On the countertop 1")
    play(player, "take apple 1 from countertop 1", "go to fridge 1")
    assert play(player, "put apple 1 in/on fridge 1") == "You put the apple 1 in/on the fridge 1."


def test_a_game_without_help_has_no_help():
    package = load_package()
    domain = package.domain[: package.domain.index("(:action help")] + ")"
    game = parse_game(domain, package.grammar, problem(*HOT_APPLE, FACTS))
    player = NativeEngine(game)
    player.start()
    assert player.step("help") == ("Nothing happens.", False)


def test_episodes_of_one_game_do_not_see_each_other():
    package = load_package()
    game = parse_game(package.domain, package.grammar, problem(*HOT_APPLE, FACTS))
    one, two = NativeEngine(game), NativeEngine(game)
    one.start()
    two.start()
    play(one, "go to countertop 1", "take apple 1 from countertop 1")
    assert play(two, "go to countertop 1").endswith("you see a apple 1, and a knife 1.")
    one.start()
    assert play(one, "go to countertop 1").endswith("you see a apple 1, and a knife 1.")


def test_names_count_downwards_and_basins_are_told_apart():
    ids = ["cup_bar_b", "cup_bar_a", "sink_bar_1", "sink_bar_1_bar_sinkbasin", "agent1"]
    assert demangle(ids) == {
        "cup_bar_a": "cup 2",
        "cup_bar_b": "cup 1",
        "sink_bar_1": "sink 1",
        "sink_bar_1_bar_sinkbasin": "sinkbasin 1",
    }


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("domain", "(isHot ?o)", "(isCool ?o)", "not that of a known ALFWorld release"),
        ("domain", "(define", "(defined", "not that of a known ALFWorld release"),
        ("grammar", '", and "', '" and "', "not that of a known ALFWorld release"),
        ("grammar", '"task"', '"tasks"', "no task"),
        ("grammar", "action GotoLocation", "action Walk", "lacks the action 'gotolocation'"),
        ("problem", "(:init", "(:initial ((", "something other than facts"),
        ("problem", "(:goal", "(:gaol", "lacks its :objects, :init or :goal part"),
        ("problem", "atLocation agent1", "wasAt agent1", "unknown predicate"),
        ("problem", f"inReceptacle {MUG} {FRIDGE}", f"inReceptacle {MUG} nowhere", "undeclared objects: nowhere"),
        ("problem", f"inReceptacle {MUG} {FRIDGE}", f"inReceptacle {MUG} {L1}", "expected: object receptacle"),
        ("problem", f"atLocation agent1 {L9}", f"atLocation agent1 {L9}) (atLocation agent1 {L1}", "more than one"),
        ("problem", "agent1 - agent", "agent1 agent2 - agent", "more than one"),
        ("problem", "(exists (?r - receptacle)", "(forall (?r - receptacle)", "a part that is not known"),
    ],
)
def test_altered_games_are_refused(part: str, old: str, new: str, message: str):
    package = load_package()
    texts = {"domain": package.domain, "grammar": package.grammar, "problem": problem(*HOT_APPLE, FACTS)}
    assert old in texts[part]
    texts[part] = texts[part].replace(old, new)
    with pytest.raises(InvalidInputError, match=message):
        parse_game(**texts)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b'{"pddl_domain": "x", "gra', "not JSON"),
        (b"[1, 2]", "an object was expected"),
        (b"\x89PNG\r\n", "not JSON"),
        (b'{"pddl_domain": 5, "grammar": "", "pddl_problem": ""}', "'pddl_domain' is missing or not a text"),
        (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b" " * (5 * 2**20), "a game file has at most"),
    ],
)
def test_what_is_no_game_file_is_refused(data: bytes, message: str):
    with pytest.raises(InvalidInputError, match=message):
        read_game_file(data)


def test_deeply_nested_goals_are_refused():
    package = load_package()
    text = problem(*HOT_APPLE, FACTS)
    deep = text[: text.index("(:goal")] + "(:goal " + "(and " * 5000 + ")" * 5001
    content = {"pddl_domain": package.domain, "grammar": package.grammar, "pddl_problem": deep}
    with pytest.raises(InvalidInputError, match="nested deeper"):
        read_game_file(json.dumps(content).encode()).parse()


def test_goals_that_would_take_for_ever_are_refused():
    package = load_package()
    text = problem(*HOT_APPLE, FACTS)
    many = " ".join(f"?o{n}" for n in range(30))
    wide = text[: text.index("(:goal")] + f"(:goal (and (exists ({many} - object ?a - agent) (holds ?a ?o1)))))"
    with pytest.raises(InvalidInputError, match="too many variables"):
        parse_game(package.domain, package.grammar, wide)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("grammar", '"notImplemented"', "\n" * 400_000 + '"notImplemented"'),
        ("grammar", '"notImplemented"', " " * 400_000 + '"notImplemented"'),
        ("grammar", '"rhs": "TODO"', '"rhs": ' + "[" * 400_000),
        ("grammar", '"rhs": "TODO"', '"rhs": ' + "9" * 400_000),
        ("problem", "(:init", "(:init (a" + " b" * 200_000),
        ("problem", "(:init", "(:init " + "( " * 400_000),
        ("problem", "(:init", "(:init " + "(= (a b) " * 40_000),
        ("domain", "(define", "( " * 400_000 + "(define"),
        ("domain", "(define", "\n" * 400_000 + "(define"),
    ],
)
@pytest.mark.timeout(60)
def test_long_odd_games_are_read_in_linear_work(part: str, old: str, new: str):
    package = load_package()
    texts = {"domain": package.domain, "grammar": package.grammar, "problem": problem(*HOT_APPLE, FACTS)}
    assert old in texts[part]
    texts[part] = texts[part].replace(old, new, 1)
    with contextlib.suppress(InvalidInputError):
        parse_game(**texts)
