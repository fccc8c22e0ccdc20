"""What a page links to and listens to: its pictures, its stream, its run in MLflow."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import dumps, loads

import pytest
from service_world import queue_up, record, service_of
from visiting import get, parsed, read

from tuner.errors import StoreError, TunerError
from tuner.service import gallery
from tuner.service.pages.routes.live import stamp
from tuner.tracking.mlflow_link import MlflowPages, pages_of
from tuner.trial import Lost, Proposed, TrialSpec


def test_pictures_are_images_that_may_do_nothing(looked_at):
    for name in ("progress", "curves", "rates", "leaders", "optimizers"):
        wide, narrow = (get(looked_at, f"/sweeps/done-1/pictures/{name}.svg{query}") for query in ("", "?narrow=1"))
        assert wide.headers["content-type"] == "image/svg+xml"
        assert wide.headers["content-security-policy"] == gallery.POLICY
        width = [float(parsed(one.text).get("width").removesuffix("pt")) for one in (wide, narrow)]
        assert width[1] < 310 <= width[0] or name in ("leaders", "optimizers")
    assert get(looked_at, "/sweeps/done-1/pictures/other.svg").status_code == 422


def test_where_there_is_nothing_to_draw_a_picture_says_so(service):
    drawn = get(service, f"/sweeps/{queue_up(service.ledger)}/pictures/curves.svg").text
    assert "nothing to draw yet" in "".join(parsed(drawn).itertext())


def test_a_picture_is_drawn_again_for_whoever_knows_of_more(ledger, monkeypatch):
    sweep, drawn = ledger.load(record(ledger, "done")), []
    monkeypatch.setattr(gallery, "_DRAWN", dict.fromkeys(("curves", "rates"), lambda results, wide: None))
    monkeypatch.setattr(gallery, "_svg", lambda figure, name, results: drawn.append(name) or f"<svg>{len(drawn)}</svg>")
    kept, at = gallery.Gallery(), ledger.pages.position(sweep.id)
    first = kept.picture(ledger, sweep, "curves", 0, wide=True)
    assert drawn == ["curves", "rates"]
    assert kept.picture(ledger, sweep, "curves", at, wide=True) == first
    assert kept.picture(ledger, sweep, "curves", at + 100, wide=True) == first  # nobody knows of that yet
    kept.picture(ledger, sweep, "curves", at, wide=False)
    assert len(drawn) == 4
    with ledger.lease(sweep.id):
        ledger.append(sweep.id, [Lost(trial=11, attempt=0, at=500.0, reason="again")])
        new = TrialSpec(sweep=sweep.id, index=12, params={"optimizer": "adam"}, seed=1, total_steps=40)
        ledger.append(sweep.id, [Proposed(spec=new, at=501.0)])
    assert kept.picture(ledger, sweep, "curves", at, wide=True) == first
    assert kept.picture(ledger, sweep, "curves", at + 1, wide=True) != first


def test_the_stamp_of_a_page_changes_with_what_it_shows(service):
    the, sweep = service.app.state.service, queue_up(service.ledger)
    before = stamp(the, sweep)
    assert before.startswith("queued ")
    assert f'data-stamp="{before}"' in get(service, f"/sweeps/{sweep}").text
    with service.ledger.lease(sweep):
        trial = TrialSpec(sweep=sweep, index=0, params={}, seed=1, total_steps=40)
        service.ledger.append(sweep, [Proposed(spec=trial, at=1.0)])
    grown = stamp(the, sweep)
    service.ledger.queue.pause(sweep, time.time())
    assert len({before, grown, stamp(the, sweep)}) == 3
    the.listeners["others"] = 200
    assert "listen already" in service("GET", f"/sweeps/{sweep}/live", "read").json()["detail"]


@pytest.fixture
def mlflow():
    """What an MLflow server says, and what it was asked."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers.get("Authorization")))
            found = {"experiment": {"experiment_id": "7"}}
            self._answer(*((200, found) if "done" in self.path else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})))

        def do_POST(self):
            body = loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.asked.append((self.path, body))
            is_there = "'done-1'" in body["filter"]
            self._answer(200, {"runs": [{"info": {"run_id": "abc"}}]} if is_there else {})

        def _answer(self, status, body):
            text = dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_way_into_mlflow(ledger, mlflow, tmp_path):
    done, again, other = (record(ledger, name) for name in ("done", "done", "other"))
    uri = f"http://127.0.0.1:{mlflow.server_port}"
    known = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pw"}
    with service_of(ledger, mlflow=MlflowPages(uri, "https://mlflow.example/", known)) as service:
        assert f"/sweeps/{done}/mlflow" in read(service, f"/sweeps/{done}").links
        answer = get(service, f"/sweeps/{done}/mlflow")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "https://mlflow.example/#/experiments/7/runs/abc",
        )
        (path, credentials), (_, search) = mlflow.asked
        assert path == "/api/2.0/mlflow/experiments/get-by-name?experiment_name=tuner%2Fdone"
        assert credentials == "Basic YWRhOnB3"
        assert search["filter"] == "attributes.run_name = 'done-1' and tags.`tuner.created_at` = '100.0'"
        for sweep in (again, other):
            missing = get(service, f"/sweeps/{sweep}/mlflow")
            assert missing.status_code == 409
            assert f"`tuner sync {sweep}` brings it there" in missing.text
    sweep = ledger.load(done)
    with pytest.raises(StoreError, match=r"MLflow at http://127.0.0.1:1 gave no answer"):
        MlflowPages("http://127.0.0.1:1", "x").address_of(sweep)
    with pytest.raises(TunerError):
        MlflowPages(uri, "x", {"MLFLOW_TRACKING_TOKEN": "t"}).address_of(ledger.load(other))
    assert mlflow.asked[-1][1] == "Bearer t"
    (kept := tmp_path / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = a%b\nmlflow_tracking_password = c\n"
    )
    assert MlflowPages(uri, "x", {}, kept).address_of(sweep) == "x/#/experiments/7/runs/abc"
    assert mlflow.asked[-2][1] == "Basic YSViOmM="
    assert pages_of("sqlite:///mlflow.db", None) is pages_of(None, None) is None
    assert pages_of("http://ada:pw@mlflow:5000", None).pages == "http://mlflow:5000"
