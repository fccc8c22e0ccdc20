"""The slots of a population whose rules share one update: their state, and their coefficients for the steps ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tuner.optim import kernel
from tuner.optim.kernel import Coefficients, State
from tuner.optim.rows import Rows
from tuner.optim.rule import Numbers

Update = Callable[[Tensor, Tensor, State, Numbers], None]


class Group:
    """State [K, ...] and a table of coefficients [steps, C, K, 1] for all K slots, used by those of one ``update``.

    Both span every slot, so that a slot's row is the same wherever one looks; untouched rows cost no work.
    """

    def __init__(self, update: Update, slots: int, horizon: int, like: State, coefficients: Coefficients) -> None:
        some = next(iter(like.values()))
        self.update = update
        self.state = {name: row.new_zeros(slots, *row.shape[1:]) for name, row in like.items()}
        self.names = tuple(coefficients)
        self.table = some.new_zeros(horizon, len(self.names), slots, 1)

    def start(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Give a slot the state of one row [1, ...]."""
        for name, row in state.items():
            self.state[name][slot] = row[0]

    def tabulate(self, slot: int, first: int, coefficients: Coefficients) -> None:
        """Enter a slot's coefficients, each one number or one a step, from row ``first`` of the table to its end."""
        block = torch.empty(len(self.names), len(self.table) - first, dtype=torch.float64)
        for row, c in zip(block.unbind(), coefficients.values(), strict=True):
            row[:] = c
        self.table[first:, :, slot, 0] = block.t()

    def step(self, rows: Rows, params: Tensor, grads: Tensor, now: int) -> None:
        """One update of the chosen rows with row ``now`` of the table; every other row keeps its bits."""
        table = self.table[now]
        if self.update is kernel.update and kernel.in_one_pass(params, grads, self.state, table[:, :, 0], rows.index):
            return
        taken = rows.take(params)
        state = {name: rows.take(tensor) for name, tensor in self.state.items()}
        numbers = dict(zip(self.names, rows.take(table, dim=1).unbind(), strict=True))
        self.update(taken, rows.take(grads), state, numbers)
        rows.put(params, taken)
        for name, tensor in self.state.items():
            rows.put(tensor, state[name])
