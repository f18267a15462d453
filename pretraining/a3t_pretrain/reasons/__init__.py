"""Reasons for the steps of exercises: ActRe's template grammars, with readers for the exercises' task lines.

The ActRe service finds them by the entry point `pretraining` of the group `a3t.annotators`. Nothing here imports torch.
"""
