"""Words of the household texts: names, numbers, and the fixed phrases between them."""

from __future__ import annotations

__all__ = ["NUMBERS", "OBJECTS", "PHRASES", "RECEPTACLES", "WORDS"]


def _words(text: str) -> list[str]:
    return text.split()


OBJECTS = _words("""
    alarmclock apple baseballbat basketball bathtub blinds book boots bowl box bread butterknife candle cd
    cellphone chair cloth creditcard cup curtains desklamp dishsponge dogbed dumbbell egg floorlamp footstool
    fork garbagebag glassbottle handtowel houseplant kettle keychain knife ladle laptop laundryhamperlid
    lettuce lightswitch mirror mug newspaper painting pan papertowel papertowelroll pen pencil peppershaker
    pillow plate plunger poster pot potato remotecontrol roomdecor saltshaker scrubbrush showerdoor
    showerglass sink soapbar soapbottle spatula spoon spraybottle statue stoveknob tabletopdecor teddybear
    television tennisracket tissuebox toiletpaper tomato towel vacuumcleaner vase watch wateringcan window
    winebottle
""")
"""Types of objects, as the games write them."""

RECEPTACLES = _words("""
    armchair bathtubbasin bed cabinet cart coffeemachine coffeetable countertop desk diningtable drawer
    dresser fridge garbagecan handtowelholder laundryhamper loc microwave ottoman safe shelf shelvingunit
    sidetable sinkbasin sofa stool stoveburner toaster toilet toiletpaperhanger towelholder tvstand
""")
"""Types of places. In the older wording, the agent arrives at "loc 12"."""

NUMBERS = [str(n) for n in range(100)]

WORDS = _words("""
    a an the and in on it is of to at I you with from under for here now task nothing object find look put
    take clean heat cool hot cold some two them sliced make
""")

_VERBS = "go to,open,close,take,move,put,use,heat,cool,clean,slice,examine,look,inventory,help".split(",")  # noqa: SIM905

_OBSERVATIONS = [
    "Observation:",
    "Observation: You are in the middle of a room. Looking quickly around you, you see a",
    "Observation: You are in the middle of a room. Looking quickly around you, you see nothing.\n",
    "Observation: You arrive at",
    "Observation: You open the",
    "Observation: You close the",
    "Observation: You pick up the",
    "Observation: You move the",
    "Observation: You put the",
    "Observation: You heat the",
    "Observation: You cool the",
    "Observation: You clean the",
    "Observation: You turn on the",
    "Observation: You sliced the",
    "Observation: On the",
    "Observation: The",
    "Observation: Nothing happens.\n",
    "Observation: You are carrying: a",
    "Observation: You are not carrying anything.\n",
    "Observation: You are facing the",
    "Observation: There's nothing special about",
    "Observation: This is a",
    ", a",
    ", and a",
    ". On the",
    ". The",
    " is closed.\n",
    " is open. In it, you see a",
    " is open. In it, you see nothing.\n",
    ", you see a",
    ", you see nothing.\n",
    ".\n",
    " from the",
    " to the",
    " in/on the",
    " in/on",
    " using the",
    " with the",
    ". Next to it, you see nothing.\n",
    ". Next to it, you see a",
    ". In it, you see a",
    ". In it, you see nothing.\n",
    " is on.\n",
]

# "clean some" and "put a clean" are cut into words, so that "clean" means here what it means in an errand.
_TASKS = [
    "Your task is to:",
    ". Your task is to:",
    " put a",
    " put some",
    " put two",
    " find two",
    " find a",
    " and put them in",
    " and put them on",
    " and put it in",
    " and put it on",
    " look at",
    " under the",
    " examine the",
]

_THOUGHTS = [
    "Thought:",
    "Thought: I look for",
    ". It is here. I take it",
    ". It is here. I use it",
    ". It is at",
    ". Next I check",
    " is closed. I open it",
    "Thought: The",
    "Thought: I have",
    "Thought: I put",
    "Thought: I heat",
    "Thought: I cool",
    "Thought: I clean",
    "Thought: I am already at",
    ". I examine it",
    ". I put it in",
    ". I clean it with",
    ". I heat it with",
    ". I cool it with",
    " now",
    "Thought: I try something else: I",
    " check what I carry",
    " look around",
    " ask for help",
]

_ACTIONS = ["Action:", "\nAction:", ".\nAction:"]

PHRASES = (
    _OBSERVATIONS
    + _TASKS
    + _THOUGHTS
    + _ACTIONS
    + [f"{head} {verb}" for head in _ACTIONS for verb in _VERBS]
    + [f" {verb}" for verb in _VERBS if verb not in WORDS]
)
"""Fixed pieces of the texts, one token each. They begin and end where names and numbers end and begin."""
