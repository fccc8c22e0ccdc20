"""The samplers by name. To add one, write one function: from the problem and its options to a Proposer."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from scipy.stats import qmc

from tuner.errors import UsageError
from tuner.registry import Registry
from tuner.search.joint import JointCmaEs, JointGP, JointNSGAII, KeyedRandom
from tuner.search.making import accepting
from tuner.search.proposers import ClosedLoop, OpenLoop, Proposer
from tuner.search.scales import optuna_value, quantile, to_optuna, value_from_optuna
from tuner.space import Space
from tuner.trial import Params, derive_seed


@dataclass(frozen=True)
class Problem:
    """What a sampler is made for."""

    space: Space
    objectives: int
    seed: int

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Every searched parameter, in an order of its own that holds for good."""
        return {name: to_optuna(d) for name, d in sorted(self.space.distributions().items())}

    def seed_of(self, index: int) -> int:
        """The seed of a configuration, below 2^32 as NumPy's RandomState wants it."""
        return derive_seed(self.seed, "sampler", index) % 2**32

    def suggest(self, trial: Trial) -> Params:
        """A configuration of the parameters that it uses, one after the other."""
        return self.space.sample(lambda name, d: value_from_optuna(d, trial._suggest(name, self.distributions[name])))

    def suggest_jointly(self, trial: Trial) -> Params:
        """A configuration cut out of a point of the whole space: see tuner.search.joint."""
        point = {name: trial._suggest(name, d) for name, d in self.distributions.items()}
        return self.space.sample(lambda name, d: value_from_optuna(d, point[name]))

    def known(self, params: Params) -> Params:
        """A configuration's searched parameters as ``suggest`` heard them from Optuna."""
        searched = self.space.distributions()
        return {name: optuna_value(searched[name], value) for name, value in params.items() if name in searched}


SAMPLERS: Registry[Callable[..., Proposer]] = Registry("sampler")
GRID = "grid"


@SAMPLERS.register("random")
def random(problem: Problem) -> Proposer:
    """Independent draws."""

    def configuration(index: int) -> Params:
        draw = np.random.default_rng(problem.seed_of(index)).random
        return problem.space.sample(lambda _, distribution: quantile(distribution, draw()))

    return OpenLoop(configuration)


@SAMPLERS.register(GRID)
def grid(problem: Problem, *, points: int = 5) -> Proposer:
    """Every combination, with ``points`` values of each continuous parameter; or the space's list, in order."""
    rest = enumerate(problem.space.grid(points))  # indices only grow, so one pass is enough
    return OpenLoop(lambda index: next((params for place, params in rest if place == index), None))


_SEQUENCES: Registry[Callable[..., qmc.QMCEngine]] = Registry("sequence")
_SEQUENCES.add("sobol", qmc.Sobol)
_SEQUENCES.add("halton", qmc.Halton)


@SAMPLERS.register("qmc")
def quasi_monte_carlo(problem: Problem, *, sequence: str = "sobol", scramble: bool = True) -> Proposer:
    """A low-discrepancy sequence with a coordinate for every parameter of the space, used or not."""
    columns = {name: column for column, name in enumerate(problem.distributions)}
    # One engine runs along with the indices: starting anew and skipping ahead would make the n-th ask cost n.
    engine = _SEQUENCES[sequence](len(columns) or 1, scramble=scramble, rng=derive_seed(problem.seed, "sampler"))

    def configuration(index: int) -> Params:
        if index > engine.num_generated:
            engine.fast_forward(index - engine.num_generated)
        point = engine.random(1)[0]
        return problem.space.sample(lambda name, distribution: quantile(distribution, float(point[columns[name]])))

    return OpenLoop(configuration)


@SAMPLERS.register("tpe")
def tree_parzen(
    problem: Problem,
    *,
    startup_trials: int = 10,
    candidates: int = 24,
    multivariate: bool = True,
    group: bool = True,
    constant_liar: bool = True,
) -> Proposer:
    """Tree-structured Parzen estimator (Bergstra et al., 2011); ``group`` models the options of a branch apart."""

    def sampler(index: int) -> TPESampler:
        with accepting(ExperimentalWarning):  # `group` is what makes TPE learn conditional spaces
            return TPESampler(
                n_startup_trials=startup_trials,
                n_ei_candidates=candidates,
                multivariate=multivariate,
                group=group,
                constant_liar=constant_liar,
                seed=problem.seed_of(index),
            )

    return ClosedLoop(sampler, partial(_keyed, problem), problem.suggest, problem.known)


@SAMPLERS.register("gp")
def gaussian_process(problem: Problem, *, startup_trials: int = 10) -> Proposer:
    """Gaussian process with expected improvement; for up to some hundred configurations, since each ask fits anew."""

    def used(point: Params) -> Set[str]:
        return problem.space.sample(lambda name, _: point[name]).keys() & point.keys()

    def sampler(index: int) -> JointGP:
        return JointGP(
            joint=problem.distributions,
            used=used,
            seed=problem.seed_of(index),
            startup_trials=max(1, startup_trials),  # there is no fitting a model to nothing
        )

    return ClosedLoop(sampler, partial(_keyed, problem), problem.suggest_jointly, problem.known)


@SAMPLERS.register("cmaes")
def cma_es(
    problem: Problem, *, startup_trials: int = 1, sigma0: float | None = None, popsize: int | None = None
) -> Proposer:
    """CMA-ES (Hansen, 2016) over the numbers of the space; choices are drawn at random. One objective only."""
    if problem.objectives > 1:
        raise UsageError(f"sampler cmaes: expected 1 objective, got {problem.objectives}; use tpe, gp or nsga2")
    numbers = {n: d for n, d in problem.distributions.items() if not isinstance(d, CategoricalDistribution)}

    def sampler(index: int) -> JointCmaEs:
        with accepting(FutureWarning):  # sigma0 is to leave Optuna, without a successor yet
            return JointCmaEs(
                joint=numbers,
                seed=problem.seed_of(index),
                startup_trials=startup_trials,
                sigma0=sigma0,
                popsize=popsize,
            )

    return ClosedLoop(sampler, sampler, problem.suggest_jointly, problem.known)


@SAMPLERS.register("nsga2")
def nsga_ii(problem: Problem, *, population: int = 50) -> Proposer:
    """NSGA-II (Deb et al., 2002), a genetic algorithm made for several objectives."""

    def sampler(index: int) -> JointNSGAII:
        return JointNSGAII(joint=problem.distributions, seed=problem.seed_of(index), population=population)

    return ClosedLoop(sampler, sampler, problem.suggest_jointly, problem.known)


def _keyed(problem: Problem, index: int) -> KeyedRandom:
    return KeyedRandom(problem.seed_of(index))
