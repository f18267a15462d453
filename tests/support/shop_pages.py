"""Pages of one WebShop episode as texts, for tests of reasons."""

from __future__ import annotations

from a3t_contracts.react import History, Turn

ASKS = "Find me non slip bar stools with color: mint, and size: set of 2, and price lower than 60.00 dollars"
HEAD = f"Instruction: [SEP] {ASKS} [SEP] Back to Search"
START = f"WebShop [SEP] Instruction: [SEP] {ASKS} [SEP] Search"
RESULTS = (
    f"{HEAD} [SEP] Page 1 (Total results: 2) [SEP] Next > [SEP] GAAAAAAAA1 [SEP] Tevo Bar Stool [SEP] $45.5"
    " [SEP] GAAAAAAAA2 [SEP] Luma Bar Stool [SEP] $99.0"
)
ITEM = (
    f"{HEAD} [SEP] < Prev [SEP] color [SEP] mint [SEP] grey [SEP] size [SEP] set of 2 [SEP] Tevo Bar Stool"
    " [SEP] Price: $45.5 [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
)
DEAR = ITEM.replace("$45.5", "$99.0")
BARE = ITEM.replace("mint [SEP] ", "")
SUB = f"{HEAD} [SEP] < Prev [SEP] some text"


def shop_history(*turns: tuple[str, str], first: str = START) -> History:
    """An episode that begins with `first` and goes on with (action, page) turns."""
    return History(environment="webshop", observation=first, turns=[Turn(action=a, observation=o) for a, o in turns])


TO_RESULTS = ("search[bar stools]", RESULTS)
TO_ITEM = ("click[gaaaaaaaa1]", ITEM)
MINT, SET = ("click[mint]", ITEM), ("click[set of 2]", ITEM)
