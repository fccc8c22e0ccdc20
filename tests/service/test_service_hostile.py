"""What a stranger, or a careless friend, might send: refused with a reason, and nothing is loaded, kept or broken."""

from __future__ import annotations

import json

import pytest
from service_world import SPEC, queue_up, record, service_of

from tuner.ledger import Recurring
from tuner.service.settings import MAX_BODY

LOADED = "loaded"
MINE = f"from pathlib import Path\nPath(__file__).with_name({LOADED!r}).touch()\n"  # tells that it was run


def detail(answer, status=422):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


def changed(**sections):
    """The spec with other sections, as JSON: YAML is read by the same rules."""
    base = {"workload": "iris", "objective": "accuracy", "budget": {"trials": 2, "steps": 10}, "executor": "inline"}
    return json.dumps(base | {"space": {"optimizer": ["adam"]}} | sections)


CODE = "a spec that comes over HTTP names no code; run it where its files are"


@pytest.mark.parametrize(
    ("sections", "place", "words"),
    [
        ({"workload": "{mine}:Net"}, "workload: ", CODE),
        ({"workload": "os:system"}, "workload: ", CODE),
        ({"workload": "../../{mine}:Net"}, "workload: ", CODE),
        ({"workload": "{mine}"}, "workload: ", CODE),
        ({"workload": "mnist"}, "workload: ", "expected one of digits-mlp, iris, got 'mnist'"),
        ({"workload": "irys"}, "workload: ", "did you mean 'iris'"),
        ({"space": {"optimizer": ["adam"], "schedule": "{mine}:wave"}}, "space.schedule", CODE),
        ({"space": {"optimizer": ["adam"], "schedule": {"math:cos": {}}}}, "space.schedule.math:cos", CODE),
        ({"space": {"optimizer": ["adam"], "drives": {"beta1": "{mine}:wave"}}}, "space.drives.beta1", CODE),
        (
            {"space": {"configurations": [{"optimizer": {"sgd": {"lr": 0.1}}, "schedule": "{mine}:wave"}]}},
            "space.configurations[0].schedule",
            CODE,
        ),
        ({"space": {"use": "../../../etc/passwd"}}, "space.use", "unknown search space"),
        ({"executor": {"name": "ray", "address": "ray://10.0.0.1:10001"}}, "executor.address", "expected none"),
        ({"executor": "simulated"}, "executor", "expected ray or inline"),
        ({"environment": {"PATH": "/bin"}}, "environment", "unknown key"),
        ({"name": "../../etc"}, "name", "expected lower-case letters"),
        ({"objective": "accuracyy"}, "objective", "unknown metric"),
        ({"space": {"optimizer": {"adam": {"lr": -1}}}}, "space.optimizer.adam.lr", "expected > 0, got -1"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_spec_that_names_what_it_may_not(ledger, tmp_path, sections, place, words):
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    text = changed(**sections).replace("{mine}", str(mine))
    with service_of(ledger, workloads=frozenset({"iris", "digits-mlp"})) as service:
        for kind in ("application/json", "application/yaml"):
            said = detail(service.submit(text, kind=kind))
            assert said.startswith(place)
            assert words in said
    assert not (tmp_path / LOADED).exists()
    assert ledger.sweeps() == []


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("yaml", "a: &x [1]\nb: *x\n", "expected no anchors (&) and aliases (*)"),
        ("yaml", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "expected no anchors"),
        ("yaml", "workload: !!python/object/apply:os.system [id]\n", "expected no tag"),
        ("yaml", "[" * 100 + "]" * 100, "expected at most 32 levels of nesting (sweep.yaml:1)"),
        ("yaml", "a: [" + "1," * 20_000 + "1]", "expected at most 10,000 values"),
        ("yaml", "a: 1\n---\nb: 2\n", "expected one YAML document"),
        ("yaml", "a: [1\n", "not valid YAML"),
        ("yaml", "", "expected a mapping"),
        ("yaml", "a: 1\na: 2\n", "given twice"),
        ("json", "[" * 50_000, "not valid JSON"),
        ("json", '{"a":' * 1_000 + "1" + "}" * 1_000, "JSON"),
        ("json", '{"a":' * 40 + "1" + "}" * 40, "32 levels at most"),
        ("json", '{"seed": NaN}', "expected a finite number, got NaN"),
        ("json", '{"seed": ' + "9" * 10_000 + "}", "not valid JSON"),
        ("json", '{"seed": 1e999}', "expected"),
        ("json", '{"a": 1, "a": 2}', "'a' is given twice"),
        ("json", "[]", "expected an object with workload"),
        ("json", "{", "not valid JSON"),
        ("json", "", "not valid JSON"),
        ("json", '{"workload": "\\ud800"}', "workload"),
    ],
)
def test_a_body_that_is_no_spec(service, kind, text, words):
    assert words in detail(service.submit(text, kind=f"application/{kind}"))


def test_other_bytes_and_other_types(service):
    assert "expected text in UTF-8" in detail(service.submit(b"workload: \xff\xfe"))
    for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""):
        assert "expected a spec as one of application/json" in detail(service.submit(SPEC, kind=kind), 415)


def test_a_body_beyond_the_limit_is_not_read(service):
    large = b"#" * (MAX_BODY + 1)
    assert service.submit(large).status_code == 413
    assert service.submit(iter([large[: MAX_BODY // 2]] * 3)).status_code == 413  # of a length that nobody told
    assert service.submit(SPEC + "#" * (MAX_BODY - len(SPEC))).status_code == 201
    assert service.post("/sweeps/sweep-1/cancel", content=large).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/sweeps/..%2f..%2fetc%2fpasswd",
        "/sweeps/%2e%2e/report",
        "/sweeps/a%00b",
        "/sweeps/1'%20OR%20'1'='1",
        "/sweeps/digits;DROP%20TABLE%20sweeps",
        "/sweeps/" + "a" * 5_000,
        "/sweeps/done-1/trials/-1",
        "/sweeps/done-1/trials/99999999999999999999",
        "/sweeps/done-1/trials?after=1;DROP%20TABLE%20trials",
        "/sweeps?limit=0",
        "/sweeps?limit=1000000000",
        "/sweeps?after=%27",
        "/sweeps?status=%27%20OR%201=1",
        "/queue?state=nothing",
        "/compare",
        "/compare?" + "sweep=done-1&" * 21,
        "/schedules/..%2f",
    ],
)
def test_paths_and_queries_that_mean_something_else(looked_at, path):
    answer = looked_at.get(path)
    assert answer.status_code in (400, 404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.json().keys()


@pytest.mark.parametrize("text", ["' OR 1=1 --", "done'; DROP TABLE sweeps; --", "%", "\\", '"', "\0", "😀"])
def test_sql_in_a_filter_is_a_text_like_any_other(looked_at, text):
    for query in ({"name": text}, {"workload": text}):
        answer = looked_at.get("/sweeps", params=query)
        assert (answer.status_code, answer.json().get("items")) in [(200, []), (422, None)]
    assert looked_at.get("/queue", params={"owner": text}).json()["items"] == []
    assert len(looked_at.get("/sweeps").json()["items"]) == 3


def test_a_schedule_over_http_names_no_code_now_or_later(service, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)

    def add(spec, **more):
        new = {"name": "nightly", "spec": spec, "cron": "0 2 * * *"}
        return service.post("/schedules", json=new | more)

    assert CODE in detail(add(SPEC.replace("iris", f"{tmp_path}/mine.py:Net")))
    assert CODE in detail(add(SPEC.replace("iris", f"{tmp_path}/{{{{ due }}}}.py:Net")))
    assert "unknown template variable 'os.environ'" in detail(add(SPEC + "name: '{{ os.environ }}'\n"))
    assert "webhook: 10.0.0.1 is not an allowed host" in detail(add(SPEC, webhook="https://10.0.0.1/x"))
    assert "expected an address that begins with https" in detail(add(SPEC, webhook="http://localhost/x"))
    assert "target: expected one of local" in detail(add(SPEC, target="http://10.0.0.1:8265"))
    assert "--cron: expected five fields" in detail(add(SPEC, cron="@reboot"))
    assert "--tz: expected a time zone" in detail(add(SPEC, zone="../../etc/passwd"))
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    assert "32 levels at most" in detail(add({"workload": "iris", "space": deep}))
    assert service.get("/schedules").json() == []
    assert not (tmp_path / LOADED).exists()


EVERY_NIGHT = {
    "cron": "0 2 * * *",
    "zone": "UTC",
    "owner": "ada",
    "priority": 0,
    "overlap": "skip",
    "catch_up": 0.0,
    "webhook": None,
    "is_paused": False,
    "created_at": 0.0,
    "decided_until": 0.0,
}


def test_a_schedule_that_was_added_on_the_machine_is_not_loaded_over_http(ledger, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    for name, text, target in (
        ("own", SPEC.replace("iris", "mine.py:Net"), "local"),
        ("wave", SPEC.replace("constant", "'mine.py:wave'"), "local"),
        ("other", SPEC, "local"),
        ("far", SPEC, "http://10.0.0.1:8265"),
    ):
        facts = {"spec_text": text, "source": "mine.yaml", "folder": str(tmp_path), "target": target}
        ledger.recurring.add(Recurring(name=name, **EVERY_NIGHT, **facts))
    with service_of(ledger, workloads=frozenset({"digits-mlp"})) as service:

        def run(name):
            return detail(service.post(f"/schedules/{name}/run", "admin"))

        for name in ("own", "wave"):
            assert f"run it on the machine that has its files: `tuner schedule run-now {name}`" in run(name)
        assert "expected one of digits-mlp, got 'iris'" in run("other")
        assert "target: expected one of local" in run("far")
    assert not (tmp_path / LOADED).exists()
    assert ledger.sweeps() == []


def test_where_a_sweep_runs_is_the_services_to_say(service):
    for target in ("http://169.254.169.254", "file:///etc/passwd", "local; rm -rf /"):
        assert "target: expected one of local" in detail(service.submit(SPEC, target=target))


def test_the_report_and_the_export_of_a_sweep_load_nothing_that_is_not_tuners_own(ledger, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    done = record(ledger, "done")
    with ledger._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE sweeps SET spec = json_set(spec, '$.workload', ?)", (f"{tmp_path}/mine.py:Net",)
        )
    with service_of(ledger) as service:
        assert service.get(f"/sweeps/{done}/report").status_code == 200
        assert "its workload is a file of its own" in detail(service.get(f"/sweeps/{done}/export?form=script"), 400)
    assert not (tmp_path / LOADED).exists()


def test_markup_in_what_is_recorded_stays_text(looked_at):
    report = looked_at.get("/sweeps/done-1/report")
    assert "<b>broke</b>" not in report.text
    assert "&lt;b&gt;broke&lt;/b&gt;" in report.text
    policy = report.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_a_host_that_the_service_has_not_is_refused(looked_at):
    for host in ("evil.example", "testserver.evil.example", "", "testserver:80@evil.example"):
        assert looked_at.get("/sweeps", headers={"Host": host}).status_code == 400


def test_a_page_of_another_site_changes_nothing_through_its_readers_browser(ledger):
    with service_of(ledger, tokens=False) as service:
        sweep = queue_up(ledger)
        foreign = [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Origin": "http://testserver.evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ]
        for headers in foreign:
            refused = service.post(f"/sweeps/{sweep}/cancel", None, headers=headers)
            assert "a page of another site asked for this" in detail(refused, 403)
        assert ledger.queue.job(sweep).state == "queued"
        own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
        assert service.post(f"/sweeps/{sweep}/cancel", None, headers=own).status_code == 200


def test_no_other_site_may_read(looked_at):
    answer = looked_at.get("/sweeps", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert looked_at("OPTIONS", "/api/v1/sweeps", headers={"Origin": "https://evil.example"}).status_code == 405


def test_every_answer_tells_browsers_to_be_careful(looked_at):
    for answer in (looked_at.get("/sweeps"), looked_at.get("/nothing"), looked_at("GET", "/health", None)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
