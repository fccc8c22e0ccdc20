"""A ledger with sweeps to look at, made without training; and the service of a ledger, called in this process."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.testclient import TestClient

from tuner import spec as specs
from tuner.ledger import NewSweep
from tuner.ledger.tokens import Role
from tuner.service import Settings, allowed_workloads, create_app
from tuner.service.serve import address_of, listen
from tuner.trial import Finished, Lost, Objective, Proposed, Reported, Started, State, TrialSpec

SPEC = """\
workload: iris
objective: accuracy
budget: {trials: 12, steps: 40}
executor: inline
space:
  optimizer: {adam: {lr: {log: [1e-3, 1]}}, sgd: {lr: {log: [1e-3, 1]}}}
  schedule: [constant, cosine]
"""
OUTCOMES = [State.COMPLETED] * 8 + [State.PRUNED, State.DIVERGED, State.FAILED]


def queue_up(ledger, name="waiting", owner="ada"):
    """The id of a sweep that waits in the queue, with nothing loaded for it."""
    return ledger.queue.submit(new_sweep(name), owner=owner, at=time.time()).id


def new_sweep(name, text=SPEC):
    return NewSweep(
        name=name,
        spec=specs.renamed(specs.parse(text, "sweep.yaml"), name).dump(),
        spec_text=text,
        environment={"torch": "2.13"},
        objectives=[Objective(metric="accuracy", direction="maximize")],
        seed=0,
        repeats=1,
    )


def record(ledger, name):
    """The id of a sweep that is done: eleven trials that have ended, one that was lost."""
    new = new_sweep(name)
    facts = {field: getattr(new, field) for field in new.__dataclass_fields__}
    sweep = ledger.create(**facts, at=100.0).id
    with ledger.lease(sweep):
        for index, outcome in enumerate(OUTCOMES):
            ledger.append(sweep, _history(sweep, index, outcome))
        ledger.append(sweep, [_proposed(sweep, 11), Lost(trial=11, attempt=0, at=121.0, reason="gone")])
        ledger.set_status(sweep, "done", 130.0)
    return sweep


def _proposed(sweep, index):
    optimizer = ("adam", "sgd")[index % 2]
    params = {"optimizer": optimizer, f"{optimizer}.lr": 10.0 ** -(index % 4), "schedule": "constant", "width": 16}
    return Proposed(spec=TrialSpec(sweep=sweep, index=index, params=params, seed=index, total_steps=40), at=101.0)


def _history(sweep, index, outcome):
    shared = {"trial": index, "attempt": 0}
    values = [(step, 0.5 + (index * 7 % 11) / 50 + step / 1000) for step in (20, 40)]
    reports = [Reported(**shared, at=110.0 + step, step=step, metrics={"accuracy": v}) for step, v in values]
    ended = {"values": {"accuracy": values[-1][1]}} if outcome is State.COMPLETED else {"note": "it <b>broke</b>"}
    finished = Finished(**shared, at=160.0 + index, step=40, outcome=outcome, **ended)
    return [_proposed(sweep, index), Started(**shared, at=105.0, worker="cpu-0"), *reports, finished]


@dataclass
class Service:
    """A running application: requests with the token of a role, or with none."""

    app: object
    ledger: object
    http: TestClient
    tokens: dict[str, str]

    def __call__(self, method, path, role="admin", **more):
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def get(self, path, role="read", **more):
        return self("GET", f"/api/v1{path}", role, **more)

    def post(self, path, role="submit", **more):
        return self("POST", f"/api/v1{path}", role, **more)

    def submit(self, text, role="submit", kind="application/yaml", **query):
        return self.post("/sweeps", role, content=text, params=query, headers={"Content-Type": kind})


@contextmanager
def service_of(ledger, *, tokens=True, **settings):
    """The service of a ledger, with a token for each role (``ada`` submits) unless there shall be none."""
    given = {"workloads": allowed_workloads(None), "hosts": ("testserver",)} | settings
    app = create_app(ledger, Settings(**given))
    names = {"read": "reader", "submit": "ada", "admin": "root"} if tokens else {}
    made = {role: ledger.tokens.add(name, Role(role), at=time.time()) for role, name in names.items()}
    with TestClient(app, raise_server_exceptions=False) as http:
        yield Service(app, ledger, http, made)


@contextmanager
def answering(ledger, port=0):
    """A service on a socket of this machine; its address."""
    app = create_app(ledger, Settings(workloads=allowed_workloads(None)))
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with closing(listen("127.0.0.1", port)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address_of(listening)
        finally:
            app.state.service.stopping.set()
            server.should_exit = True
            thread.join()
