"""The part of the model card that is specific to the household base."""

__all__ = ["BODY", "NOTE"]

BODY = """# A tiny base model for household agents

Mistral architecture, {parameters:,} parameters, {shape}; trained from scratch by `a3t pretrain`. It reads lists of
things, copies names and numbers, and writes turns in the form "Thought: …" and "Action: …". It was shown no solution
of a game's task: it is a base to teach, not an agent. Its errands are instructions that say where the first thing is
and what to do with it; what comes after it may have to be looked for. It knows what words mean (a fridge makes things
cool); that "put a clean mug in desk" asks for a search, a sink and then a desk it puts together only now and then
before it is taught.

## What it was trained on
{exercises:,} exercises, written by the project itself: rooms of {games:,} generated games, actions by scripts, reasons
after the fact by the ActRe service's template annotator. The rooms are furnished at random on the floor plans that
ALFRED trains on, none of its unseen ones (its valid_seen games, too, play on plans for training, furnished otherwise).
No pretrained weights, no text from elsewhere, no game of the benchmark.

| exercise | task line | what is done |
|---|---|---|
| find | "find a mug" | look into receptacles until one is seen, take it |
| errand | "take mug 2 from shelf 1 to desk 3" | what the line says; half name only a kind of place |
| | "clean mug 2 from shelf 1", "make mug 2 from shelf 1 hot" | take it, use the appliance that does so |
| | "clean mug 2 from shelf 1 with sinkbasin 1 and put it in desk" | |
| | "look at mug 2 from shelf 1 under desklamp 1 at desk 2" | |
| | "put two mug 2 from shelf 1 and mug 1 from desk 2 in sofa" | |
| | "look at mug 2 from shelf 1 under a desklamp" | take it, look for a lamp |
| | "examine the mug 2 from shelf 1 with the desklamp" | |
| | "put two mug in sofa, mug 2 from shelf 1" | bring that one, look for another |
| wander | "look around" | random actions, each with a reason after the fact |

Most searches begin where such things lie most often in the rooms of practice, or where the agent is, and go on as the
room lists its places, implausible ones last: so the base has an idea of where things usually are.

More than half of the find and errand exercises may have deliberate slips (a thing or place that is not there, a place
seen before, a wrong place, a thing left there), some of them several times in a row. They are not trained on, so that
the way on after a mistake is. In
{shuffled:.0%} of the sequences the names of things are permuted (and, each half of the time, those of places and the
numbers), so that copying is the only way to be right.

## How
A structured start (one previous-token head, two induction heads, set by hand; see `structure.py`), then
{tokens:,} tokens with Muon on matrices and AdamW on the rest; {seconds:.0f} s of wall clock on {threads} threads
({machine}).
"""

NOTE = """
Where an errand names only a kind of place, one of them is drawn at random: `go` cannot reach 100 %.
"""
