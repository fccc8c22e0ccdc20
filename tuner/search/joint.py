"""Optuna's samplers for fixed spaces, made to learn conditional ones.

GP, CMA-ES and NSGA-II as Optuna has them model the parameters that every trial has, so that with several optimizers
to choose from they would draw every learning rate at random. Here they see the whole space: each trial is a point with
a value for every parameter, those of the options it does not take included. The objective does not depend on these,
which makes it a true function of the whole point, and a black-box method may learn it as it is. The methods also keep
one search space from the first ask to the last, where Optuna infers it from the trials that have finished.

A value that no model proposes is drawn from a seed of (configuration, parameter name): the same at a replay, whichever
other values are known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler
from optuna.trial import FrozenTrial

from tuner.trial import Params, derive_seed

Joint = Mapping[str, BaseDistribution]


class KeyedRandom(BaseSampler):
    """Draws each parameter from a seed of (``seed``, its name)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """No parameter is drawn together with another."""
        return {}

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing: see ``infer_relative_search_space``."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A draw for one parameter."""
        sampler = RandomSampler(derive_seed(self._seed, param_name) % 2**32)
        return sampler.sample_independent(study, trial, param_name, param_distribution)


class JointCmaEs(CmaEsSampler):
    """CMA-ES over the numbers in ``joint``."""

    def __init__(
        self, *, joint: Joint, seed: int, startup_trials: int, sigma0: float | None, popsize: int | None
    ) -> None:
        super().__init__(
            seed=seed,
            n_startup_trials=startup_trials,
            sigma0=sigma0,
            popsize=popsize,
            independent_sampler=KeyedRandom(seed),
            warn_independent_sampling=False,
        )
        self._joint = joint

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The whole space, from the first ask."""
        return dict(self._joint)


class JointNSGAII(NSGAIISampler):
    """NSGA-II over ``joint``."""

    def __init__(self, *, joint: Joint, seed: int, population: int) -> None:
        super().__init__(seed=seed, population_size=population)
        self._joint = joint
        self._keyed = KeyedRandom(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The whole space, from the first ask."""
        return dict(self._joint)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The first generation, and mutations."""
        return self._keyed.sample_independent(study, trial, param_name, param_distribution)


class JointGP(GPSampler):
    """GP over ``joint``; ``used`` tells which parameters the configuration at a point has.

    The others are drawn at random: a point with other values there is as true, and a replay need not fit the models of
    every past ask again to know them.
    """

    def __init__(self, *, joint: Joint, used: Callable[[Params], Set[str]], seed: int, startup_trials: int) -> None:
        super().__init__(
            seed=seed,
            n_startup_trials=startup_trials,
            independent_sampler=KeyedRandom(seed),
            warn_independent_sampling=False,
        )
        self._joint, self._used = joint, used

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The whole space, from the first ask."""
        return dict(self._joint)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposed point, without the parameters that it does not use."""
        point = super().sample_relative(study, trial, search_space)
        if not point:  # too few trials to learn from
            return {}
        return {name: point[name] for name in self._used(point)}
