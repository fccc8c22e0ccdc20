"""What the OpenAPI document says of a spec: enough to write one; `docs/` has the rest."""

from __future__ import annotations

from typing import Any

EXAMPLE: dict[str, Any] = {
    "name": "digits",
    "workload": "digits-mlp",
    "objective": "accuracy",
    "budget": {"trials": 24, "steps": 300},
    "space": {"optimizer": {"adamw": {"lr": {"log": [1e-4, 1e-1]}}}, "schedule": ["constant", "cosine"]},
    "sampler": "tpe",
    "executor": "inline",
}
EXAMPLE_YAML = """\
name: digits
workload: digits-mlp
objective: accuracy
budget: {trials: 24, steps: 300}
space:
  optimizer: {adamw: {lr: {log: [1e-4, 1e-1]}}}
  schedule: [constant, cosine]
executor: inline
"""
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["workload", "objective", "budget"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 64},
        "workload": {"type": "string", "description": "A registered workload that the service allows."},
        "objective": {"description": "A metric of the workload, a mapping with metric, direction and at, or a list."},
        "budget": {
            "type": "object",
            "description": "When the sweep ends: after that many trials, or that much wall_time (`10m`, seconds).",
            "properties": {
                "trials": {"type": "integer", "minimum": 1},
                "steps": {"type": "integer", "minimum": 1},
                "wall_time": {"type": ["number", "string"]},
            },
        },
        "space": {"type": "object", "description": "What is searched: optimizer, schedule, workload, use, ..."},
        "sampler": {"type": ["string", "object"]},
        "pruner": {"type": ["string", "object"]},
        "executor": {"type": ["string", "object"]},
        "evaluate_every": {"type": ["integer", "null"], "minimum": 1},
        "repeats": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer", "minimum": 0},
        "patience": {"type": ["integer", "object", "null"]},
    },
    "additionalProperties": False,
}
SPEC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SCHEMA, "example": EXAMPLE},
            "application/yaml": {"schema": _SCHEMA, "example": EXAMPLE_YAML},
        },
    }
}
