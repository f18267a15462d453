"""The part of the model card that is specific to the shop's base."""

__all__ = ["BODY"]

BODY = """# A tiny base model for shopping agents

Mistral architecture, {parameters:,} parameters, {shape}; trained from scratch by
`a3t pretrain --environment webshop`. It writes turns in the form "Thought: …" and "Action: …", and has practised
searching for what a line says, opening products, choosing options and going back where one is not offered; how well
it does each stands below. It was shown no solution of a goal, but has practised each part of one, so that it may solve
many goals before it is taught. Lines begin in several ways, such as "search for", "look for" and "find me", and it
buys only what a line names by its title or as the first result. That "Find me slow roasted oat bars with flavor: honey,
and price lower than 30.00 dollars" also asks for a purchase, nobody told it.

## What it was trained on
{exercises:,} exercises, written by the project itself: pages of a generated catalogue of {games:,} products, other
products than those of `a3t data generate webshop` by default; actions by scripts, reasons after the fact by the ActRe
service's template annotator. No pretrained weights, no text from elsewhere.

| exercise | line | what is done |
|---|---|---|
| search | "search for slow roasted oat bars" | a search; with options, their values are words of the search, too |
| open | "search for oat bar, and open Railziond Slow Roasted Oat Bar I705" | found on the first pages of results |
| choose | the same, "with flavor: honey, and size: pack of 1" | the options are chosen |
| buy | "search for oat bar, and buy Railziond Slow Roasted Oat Bar I705 with flavor: honey" | options, purchase |
| | "search for slow roasted oat bars, and buy the first one with flavor: honey" | |
| read | "search for oat bar, and read the features of Railziond Slow Roasted Oat Bar I705" | |
| hunt | "search for oat bars, and open one with flavor: honey, and size: pack of 1" | one by one; not bought |
| | "search for oat bars, and read the features of one with flavor: honey" | |
| | "find me oat bars with flavor: honey" | |
| wander | "search for oat bars, and look around" | random clicks, each with a reason after the fact |

Half of the exercises have a line of choose, buy or hunt, and end with the search. Copying words in the right order is
what a model of this size learns last, and short exercises practise it more often in the same number of tokens.

Half of the lines with options or a purchase end in a price limit that everything meets. Nearly half of the exercises
may have deliberate slips (an option that is not there, a wrong one, a wrong product, one that was opened before), some
of them several times in a row. They are not trained on, so that the way on after a mistake is. In {shuffled:.0%} of the
sequences the words that name options are permuted, so that copying is the only way to be right.

## How
Fixed phrases, words that occur often and two characters of a product number at a time are one token each. A structured
start (one previous-token head, two induction heads, set by hand; words with and without a capital or a leading space
begin as twins; see `structure.py`), then {tokens:,} tokens with Muon on matrices and AdamW on the rest; {seconds:.0f} s
of wall clock on {threads} threads ({machine}).
"""
