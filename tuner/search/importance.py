"""How much of an objective's variation over the space each parameter accounts for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import create_trial
from scipy.stats import rankdata

from tuner.search.scales import feature, feature_value, quantile
from tuner.search.storage import ReplayableStorage
from tuner.space import Space
from tuner.trial import Objective, State, TrialRecord, derive_seed

FEWEST = 10
# A forest smaller than Optuna's own (64 trees of depth 64), whose cost grows with the square of the trials, here in
# proportion to them; the shares of what matters differ by one or two hundredths.
TREES, DEPTH = 32, 8


def importances(space: Space, records: Sequence[TrialRecord], objective: Objective) -> dict[str, float]:
    """The share of the variance of the objective's rank that each searched parameter explains by itself, largest first.

    Of the rank, so that one outlier does not make its optimizer's parameters look like all that matters.

    By functional ANOVA over a random forest (Hutter, Hoos and Leyton-Brown, 2014), each range in its search scale. The
    shares sum to at most 1; what is missing lies in interactions. A parameter of one option (``adamw.lr``) counts with
    the part that the option plays in the whole: where a trial does not use it, it is given a random value, which says
    truly that it made no difference there. A diverged trial counts as the worst completed one.

    Empty where nothing can be said; ``unmeasurable`` tells why. The same records give the same numbers.
    """
    if unmeasurable(space, records, objective):
        return {}
    values = _values(records, objective)
    distributions = space.distributions()
    features = {name: feature(distribution) for name, distribution in distributions.items()}
    study = optuna.create_study(storage=ReplayableStorage(), direction=objective.direction)
    for record in records:
        if record.spec.index in values:
            draw = np.random.default_rng(derive_seed("importance", record.spec.index)).random(len(distributions))
            known = record.spec.params
            point = {
                name: feature_value(d, known[name] if name in known else quantile(d, float(share)))
                for (name, d), share in zip(distributions.items(), draw, strict=True)
            }
            study.add_trial(create_trial(value=values[record.spec.index], params=point, distributions=features))
    try:
        shares = FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0).evaluate(study)
    except RuntimeError:  # every tree is a single leaf: the parameters tell nothing about the objective
        return {}
    return {name: float(share) for name, share in shares.items() if math.isfinite(share)}


def unmeasurable(space: Space, records: Sequence[TrialRecord], objective: Objective) -> str:
    """Why there are no importances, for people; empty where there are."""
    values = _values(records, objective)
    if not space.distributions():
        return "no parameter was searched"
    if len(values) < FEWEST:
        return f"importances need at least {FEWEST} completed or diverged trials, got {len(values)}"
    if len(set(values.values())) < 2:
        return f"every trial has the same {objective.metric}"
    return ""


def _values(records: Sequence[TrialRecord], objective: Objective) -> Mapping[int, float]:
    """The objective's rank by trial index; of diverged trials that of the worst completed one."""
    metric = objective.metric
    completed = {r.spec.index: r.values[metric] for r in records if r.state is State.COMPLETED and metric in r.values}
    if not completed:
        return {}
    worst = (max if objective.direction == "minimize" else min)(completed.values())
    values = {r.spec.index: worst for r in records if r.state is State.DIVERGED} | completed
    return dict(zip(values, rankdata(list(values.values())).tolist(), strict=True))
