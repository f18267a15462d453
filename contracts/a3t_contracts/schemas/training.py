"""How an adapter is trained: objective, LoRA, optimisation and augmentation, in recipes and in fine-tuning jobs."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .base import MAX_INT, Schema

__all__ = [
    "Augmentation",
    "LoraSettings",
    "Objective",
    "ObjectiveName",
    "Optimisation",
    "TrainingSettings",
]

MAX_WEIGHT = 1_000_000
"""Upper limit of weights and rates. Larger values could only overflow."""
Word = Annotated[str, Field(max_length=1024)]


class ObjectiveName(StrEnum):
    """Name of a training objective.

    `contrastive` is the method: successes with weight 1, failures with weight R_f. `sft` trains on successes only,
    `raw_reward` weighs each episode by its reward, `label_prefix` puts a label of success or failure in front, `dpo`
    trains on pairs.
    """

    contrastive = "contrastive"
    sft = "sft"
    raw_reward = "raw_reward"
    label_prefix = "label_prefix"
    dpo = "dpo"


class Objective(Schema):
    """What training maximises: (1/M) Σ R(τ) log p(τ), paper eq. (1), or one of the objectives that it is compared
    with."""

    name: ObjectiveName = Field(
        ObjectiveName.contrastive,
        description="Which objective is trained. `contrastive`: the method of the paper; successes weigh 1 and "
        "failures `failure_reward`. `sft`: successes only. `raw_reward`: each episode weighs its reward. "
        "`label_prefix`: each episode after a label that says whether it succeeded. `dpo`: pairs of a success and a "
        "failure of the same task",
    )
    failure_reward: float = Field(
        -1.0,
        ge=-1,
        le=1,
        description="Weight R_f of a failed trajectory in the objective `contrastive`. The paper has −1; 0 leaves "
        "failures out",
    )
    normalisation: Literal["as_printed", "per_token", "per_trajectory"] = Field(
        "as_printed",
        description="How token terms are averaged. `as_printed`: sum over the tokens of a trajectory, mean over "
        "trajectories. `per_token`: mean over all trained tokens of an optimiser step. `per_trajectory`: mean over the "
        "tokens of each trajectory, then mean over trajectories",
    )
    failure_weight: float = Field(
        1.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Factor on the weight of every failed trajectory. Small models diverge at 1; 0.1 is stable",
    )
    failure_observations: bool = Field(
        True,
        description="Whether the objective also lowers the likelihood of the observations in failed trajectories, and "
        "not only of thoughts and actions",
    )
    failure_nll_cap: float | None = Field(
        None,
        gt=0,
        le=MAX_WEIGHT,
        description="Tokens of failed trajectories whose negative log-likelihood (nats) is above this value are left "
        "out of the loss; null leaves none out",
    )
    observation_weight: float = Field(
        1.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Weight of observation tokens in the loss. Above 0 the model also learns to predict what the "
        "environment answers",
    )
    thought_weight: float = Field(1.0, ge=0, le=MAX_WEIGHT, description="Weight of thought tokens in the loss")
    action_weight: float = Field(1.0, ge=0, le=MAX_WEIGHT, description="Weight of action tokens in the loss")
    invalid_weight: float = Field(
        1.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Factor on those turns of successful trajectories whose action the environment refused or did not "
        "understand; 0 leaves them out of the loss",
    )
    repeat_weight: float = Field(
        1.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Factor on those turns of successful trajectories that repeat an earlier action and bring no new "
        "information; 0 leaves them out of the loss",
    )
    purposeless_weight: float = Field(
        1.0,
        ge=0,
        le=MAX_WEIGHT,
        description="Factor on those turns of successful trajectories whose reason names no purpose of the action "
        "(`purpose` of the step), but for the last turn; 0 leaves them out of the loss",
    )
    skip_thoughts: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        max_length=1024,
        description="Turns of successful trajectories whose thought begins with one of these texts are left out of the "
        "loss, but for the last turn. For recipes of older versions, which have this key in place of "
        "`purposeless_weight`",
    )
    dpo_beta: float = Field(
        0.1,
        gt=0,
        le=MAX_WEIGHT,
        description="Coefficient β of the objective `dpo`: how strongly the model is kept near its reference",
    )


class LoraSettings(Schema):
    """Shape and precision of the LoRA adapter. The defaults are those of the paper."""

    rank: int = Field(16, ge=1, le=1024, description="Rank of the LoRA matrices")
    alpha: int = Field(
        32, ge=1, le=MAX_INT, description="Scale of the update: the adapter adds alpha / rank times its product B·A"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Probability with which an input of the adapter is dropped in training"
    )
    target_modules: Annotated[list[Word], Field(max_length=1024)] | Literal["all-linear"] = Field(
        default_factory=lambda: ["q_proj", "v_proj"],
        description="Names of the linear layers that get an adapter; `all-linear` gives one to every linear layer but "
        "the output layer",
    )
    use_dora: bool = Field(
        False, description="Whether to train DoRA (weights split into magnitude and direction) instead of plain LoRA"
    )
    use_rslora: bool = Field(False, description="Whether to scale the update by alpha / √rank instead of alpha / rank")
    quantisation: Literal["none", "nf4"] = Field(
        "none",
        description="Precision in which the frozen base is held. `none`: `dtype`. `nf4`: 4-bit NormalFloat, as in "
        "QLoRA",
    )
    double_quantisation: bool = Field(
        False,
        description="Whether `nf4` also quantises its scaling constants, which saves about 0.4 bits per parameter",
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="Number format of computation")


class Optimisation(Schema):
    """Optimiser, schedule and batches."""

    epochs: float = Field(6, gt=0, le=10_000, description="Number of passes over the training set")
    learning_rate: float = Field(1e-4, gt=0, le=1e30, description="Highest learning rate")
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = Field(
        "constant",
        description="How the learning rate changes after warm-up: it stays (`constant`, `constant_with_warmup`), or "
        "falls to 0 along a line (`linear`) or a half cosine (`cosine`)",
    )
    warmup_ratio: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of all optimiser steps in which the learning rate rises from 0. The schedule `constant` "
        "ignores it",
    )
    weight_decay: float = Field(0.0, ge=0, le=MAX_WEIGHT, description="Decoupled weight decay of AdamW")
    max_grad_norm: float = Field(
        1.0, ge=0, le=MAX_WEIGHT, description="Norm to which the gradient is clipped; 0 disables clipping"
    )
    optimizer: Literal["paged_adamw_32bit", "adamw_torch"] = Field(
        "adamw_torch",
        description="`adamw_torch`: AdamW of PyTorch. `paged_adamw_32bit`: AdamW of bitsandbytes, which moves its "
        "state to host memory when a GPU runs out",
    )
    tokens_per_batch: int = Field(
        8192,
        ge=1,
        le=MAX_INT,
        description="Largest number of tokens in one forward pass, padding included; bounds memory and does not change "
        "the result",
    )
    trajectories_per_step: int = Field(16, ge=1, le=MAX_INT, description="Number of trajectories in one optimiser step")
    max_length: int = Field(
        4096,
        ge=8,
        le=MAX_INT,
        description="Largest length of a trajectory in tokens. A longer one fails the job with an error that names it",
    )
    packing: bool = Field(
        True,
        description="Whether trajectories are joined in one row without padding; each token still attends to its own "
        "trajectory only",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Whether activations are computed again in the backward pass, which saves memory and costs time",
    )
    average_checkpoints: int = Field(
        0,
        ge=0,
        le=MAX_INT,
        description="Number of evenly spaced checkpoints whose adapters are averaged into the published one; 0 "
        "publishes the last one",
    )
    interpolation: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the adapter's update B·A that is published. Below 1 the agent stays nearer to the model "
        "that it started from (arXiv 2109.01903)",
    )
    save_steps: int = Field(
        50,
        ge=1,
        le=MAX_INT,
        description="Number of optimiser steps between two checkpoints from which a killed job resumes",
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        le=MAX_INT,
        description="Number of optimiser steps after which training ends, even if `epochs` are not complete; null "
        "trains for `epochs`",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Number of CPU threads; null leaves the choice to PyTorch"
    )
    matmul_precision: Literal["highest", "medium"] = Field(
        "highest",
        description="Precision of matrix products of float32 values: `highest` computes them in float32, `medium` in "
        "bfloat16 where the processor has instructions for that. It concerns small models on a CPU, of which the "
        "trainer merges base and LoRA weights; weights, sums and gradients stay in float32",
    )


class Augmentation(Schema):
    """Permutes names that an environment treats in the same way, with a new permutation each time that a trajectory is
    trained on.

    Off by default, as the paper has none. It is meant for tiny models, whose tokenizers write a name as one token.
    """

    interchangeable: list[Annotated[list[Word], Field(max_length=16_384, fail_fast=True)]] = Field(
        default_factory=list,
        max_length=1024,
        description="Groups of words. A permutation of the words of a group must leave an episode valid; a word may be "
        "in one group only",
    )
    share: float = Field(
        0.5, ge=0, le=1, description="Probability that a group is permuted when a trajectory is trained on"
    )

    @model_validator(mode="after")
    def _groups_are_apart(self) -> Augmentation:
        words = Counter(word for group in self.interchangeable for word in group)
        twice = sorted(word for word, times in words.items() if times > 1)
        if twice:
            raise ValueError(f"augmentation.interchangeable names {twice[0]!r} twice; a word has one group")
        return self


class TrainingSettings(Schema):
    """How an adapter is trained."""

    objective: Objective = Field(default_factory=Objective, description="What training maximises")
    lora: LoraSettings = Field(default_factory=LoraSettings, description="Shape and precision of the adapter")
    optimisation: Optimisation = Field(default_factory=Optimisation, description="Optimiser, schedule and batches")
    augmentation: Augmentation = Field(default_factory=Augmentation, description="Names that are permuted in training")

    @model_validator(mode="after")
    def _update_can_be_scaled(self) -> Self:
        if self.optimisation.interpolation < 1 and self.lora.use_dora:
            raise ValueError(
                "optimisation.interpolation below 1 cannot be combined with lora.use_dora: DoRA normalises the update "
                "that interpolation scales; set interpolation to 1 or use_dora to false"
            )
        return self

    @model_validator(mode="after")
    def _reference_is_fixed(self) -> Self:
        if self.objective.name is ObjectiveName.dpo and self.augmentation.interchangeable:
            raise ValueError(
                "augmentation.interchangeable cannot be combined with the objective dpo, whose reference "
                "log-probabilities are computed once; leave augmentation out"
            )
        return self
