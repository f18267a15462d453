"""The argument types of each predicate of the PDDL domain."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SIGNATURES"]

_OF_OBJECTS = (
    "isreceptacleobject",
    "isreceptacleobjectfull",
    "isclean",
    "cleanable",
    "ishot",
    "heatable",
    "iscool",
    "coolable",
    "pickupable",
    "moveable",
    "toggleable",
    "ison",
    "istoggled",
    "sliceable",
    "issliced",
)

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "atlocation": ("agent", "location"),
    "receptacleatlocation": ("receptacle", "location"),
    "objectatlocation": ("object", "location"),
    "openable": ("receptacle",),
    "opened": ("receptacle",),
    "inreceptacle": ("object", "receptacle"),
    "inreceptacleobject": ("object", "object"),
    "wasinreceptacle": ("object", "receptacle"),
    "checked": ("receptacle",),
    "examined": ("location",),
    "receptacletype": ("receptacle", "rtype"),
    "cancontain": ("rtype", "otype"),
    "objecttype": ("object", "otype"),
    "holds": ("agent", "object"),
    "holdsany": ("agent",),
    "holdsanyreceptacleobject": ("agent",),
    "full": ("receptacle",),
    **dict.fromkeys(_OF_OBJECTS, ("object",)),
}
"""Predicate → types of its arguments, all in lower case."""
