"""Where people look at a sweep in MLflow: the address of its run on a server's own pages, asked of its REST interface.

MLflow's client would do the same after seconds of importing it, which a service need not wait for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tuner.errors import StoreError, TunerError
from tuner.tracking.wording import without_passwords
from tuner.trial import Sweep

TIMEOUT = 5.0  # seconds
_API = "/api/2.0/mlflow"


@dataclass(frozen=True, slots=True)
class MlflowPages:
    """The pages of the MLflow server at ``uri`` (http or https), which browsers reach at ``pages``.

    ``environ``, or the file ``credentials``, has the name and password, or the token, by which MLflow's own clients
    make themselves known.
    """

    uri: str
    pages: str
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    credentials: Path = Path("~/.mlflow/credentials")

    def address_of(self, sweep: Sweep) -> str:
        """The page of the sweep's run. Raises StoreError where MLflow does not answer, TunerError where it has none."""
        created = f"tags.`tuner.created_at` = '{sweep.created_at!r}'"  # which tells its namesakes apart
        wanted = f"attributes.run_name = '{sweep.id}' and {created}"
        try:
            with httpx2.Client(base_url=self.uri.rstrip("/") + _API, timeout=TIMEOUT, **self._known()) as client:
                named = client.get("/experiments/get-by-name", params={"experiment_name": f"tuner/{sweep.name}"})
                experiment = _checked(named).get("experiment", {}).get("experiment_id")
                search = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1}
                runs = _checked(client.post("/runs/search", json=search)).get("runs", []) if experiment else []
        except (httpx2.HTTPError, ValueError) as error:
            raise StoreError(
                f"MLflow at {without_passwords(self.uri)} gave no answer ({error or type(error).__name__}); "
                "look whether it runs, then load this page again"
            ) from error
        if not runs:
            raise TunerError(f"{sweep.id} is not in MLflow; `tuner sync {sweep.id}` brings it there")
        return f"{self.pages.rstrip('/')}/#/experiments/{experiment}/runs/{runs[0]['info']['run_id']}"

    def _known(self) -> dict[str, Any]:
        file = ConfigParser(interpolation=None)
        file.read(self.credentials.expanduser())
        name, password, token = (
            self.environ.get(f"MLFLOW_TRACKING_{what}")
            or file.get("mlflow", f"mlflow_tracking_{what.lower()}", fallback="")
            or ""
            for what in ("USERNAME", "PASSWORD", "TOKEN")
        )
        if name:
            return {"auth": (name, password)}
        return {"headers": {"Authorization": f"Bearer {token}"}} if token else {}


def pages_of(uri: str | None, pages: str | None) -> MlflowPages | None:
    """The pages of an MLflow server; None where ``uri`` is no server's. ``pages`` None: browsers reach it there too."""
    if uri is None or not uri.startswith(("http://", "https://")):
        return None
    return MlflowPages(uri, pages or re.sub(r"//[^/@]*@", "//", uri))


def _checked(response: httpx2.Response) -> dict[str, Any]:
    if response.status_code == 404:  # no such experiment
        return {}
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer
