"""Specs that were right once: sound ones with something broken in their data, their text or their bytes.

``told`` reads one as ``tuner run SPEC --check`` does, in this process; ``judge`` says what must hold of the answer.
"""

from __future__ import annotations

import copy
import io
import re
import time
from contextlib import redirect_stdout

import yaml
from hypothesis import strategies as st

from tuner.cli.sweeps import run
from tuner.errors import TunerError

SECONDS = 1.0
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
SOUND = (
    {
        "workload": "noisy-quadratic",
        "objective": "loss",
        "budget": {"trials": 6, "steps": 40},
        "evaluate_every": 4,
        "sampler": {"name": "tpe", "startup_trials": 3},
        "pruner": {"name": "patient", "wrapped": {"name": "median", "startup_trials": 2}, "evaluations": 2},
        "executor": {"name": "inline", "slots": 4, "checkpoint_every": 30},
        "space": {
            "optimizer": {"momentum": {"lr": {"log": [0.001, 0.1]}, "momentum": 0.9}, "adamw": {"eps": 1e-8}},
            "schedule": {"cosine": {"warmup": {"uniform": [0.0, 0.1]}}, "constant": {}},
            "clip_norm": {"choice": [None, 1.0]},
        },
        "seed": 3,
        "patience": {"evaluations": 3, "min_delta": 0.001},
    },
    {
        "name": "two",
        "workload": "noisy-quadratic",
        "objective": [{"metric": "loss", "direction": "minimize", "at": "best"}],
        "budget": {"trials": 6, "steps": 100, "wall_time": "1h30m"},
        "sampler": "qmc",
        "pruner": {"name": "asha", "eta": 2, "rungs": [10, 50]},
        "executor": {"name": "ray", "workers": 2, "slots": "auto", "precision": "bfloat16"},
        "space": {
            "optimizer": {
                "adamw": {"lr": {"normal": [-3, 0.5], "log10": True}, "one_minus_beta1": {"log": [0.01, 0.3]}}
            },
            "then": {"at": {"uniform": [0.2, 0.8]}, "optimizer": {"sgd": {"lr": 0.01}}},
            "drives": {"weight_decay": "cosine"},
            "workload": {"batch_size": {"choice": [16, 32]}},
        },
        "repeats": 2,
    },
    {
        "workload": "noisy-quadratic",
        "objective": "loss",
        "budget": {"steps": 10},
        "sampler": {"name": "grid", "points": 3},
        "space": {
            "configurations": [
                {"optimizer": {"sgd": {"lr": 0.1}}},
                {"optimizer": {"adam": {"lr": 0.01}}, "schedule": {"cosine": {"warmup": 0.1}}},
            ]
        },
    },
    {"workload": "noisy-quadratic", "objective": "loss", "budget": {"trials": 4}, "space": {"use": "playbook-small"}},
)


def nested(depth: int) -> object:
    found: object = 1
    for level in range(depth):
        found = [found] if level % 2 else {"optimizer": found}
    return found


ODD = (
    None, True, False, 0, -1, 1, 2.5, 1e-320, 1e308, -0.0, 10**17, 10**18, 10**30, -(10**40), 10**400,
    float("nan"), float("inf"), float("-inf"), "", " ", "null", "yes", "1e3", "0x10", "1_000", "2001-01-01", ".nan",
    "sgd", "loss", "default", "auto", "tpe", "ray", "a" * 5_000, "é", "\u202e", "\U0001f600", "\x00", "\x1b[2J",
    "a\nb", "../../etc/passwd", "no.py:Net", "os:system", "json:loads", "file:///", "{{ x }}", "%s%n", [], {}, [[]],
    [1, 2], ["sgd", "sgd"], [None] * 50, list(range(3_000)), {"": 1}, {"log": [1, 0]}, {"log": [0, 1]},
    {"uniform": [1, 1]}, {"choice": []}, {"int": [1.5, 2]}, {"fixed": 1}, {"log": [1e-300, 1e300]},
    {"choice": [[1]]}, {"use": "default"}, {"name": "grid"}, {str(n): n for n in range(500)}, nested(20), nested(60),
)  # fmt: skip
SNIPPETS = (
    "&a ", "*a", "<<: *a\n", "!!python/object/apply:os.system [id]\n", "!!binary AAAA\n", "!x ", "---\n", "...\n",
    "\t", "%YAML 3.0\n", "? ", "- ", ": ", "{", "}", "[", "]", "'", '"', "#", "|\n", ">\n", "@", "`", "\r", "\x85",
    "\u2028", "\ufeff", "\x00", "\x07", "é", "\U0001f600", "1e999", ".inf", "-.NaN", "~", "\\", "\n\n\n", "  ",
    "a: &a [*a]\n", "b: [" * 200, "{" * 2_000, "x: " * 50, "9" * 5_000, "workload: iris\n", "seed: 1\n",
)  # fmt: skip
BYTES = (b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x80\x81\x82", b"\xf4\x90\x80\x80", b"\x89PNG\r\n")


def paths(data: object, at: tuple = ()) -> list[tuple]:
    """Every place below the whole."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [place for key, value in items for place in [(*at, key), *paths(value, (*at, key))]]


def misspelt(word: str, n: int) -> str:
    """A slip of the finger."""
    i = n % max(len(word), 1)
    return (word[:i] + word[i + 1 :], word[:i] + word[i : i + 1] * 2 + word[i + 1 :], word.upper(), f"{word}s")[n % 4]


def broken(data: object, kind: str, where: int, how: int) -> None:
    """Break one place of ``data``."""
    places = paths(data)
    if not places:
        return
    *above, last = places[where % len(places)]
    owner = data
    for key in above:
        owner = owner[key]
    match kind:
        case "replace":
            owner[last] = copy.deepcopy(ODD[how % len(ODD)])
        case "remove":
            del owner[last]
        case "wrap":
            owner[last] = [owner[last]] if how % 2 else {"log": owner[last]}
        case "misspell" if isinstance(last, str):
            owner[misspelt(last, how)] = owner.pop(last)
        case "swap":
            *other, name = places[how % len(places)]
            place = data
            for key in other:
                place = place[key]
            owner[last] = copy.deepcopy(place[name])
        case "add" if isinstance(owner, dict):
            owner[str(ODD[how % len(ODD)])] = copy.deepcopy(ODD[where % len(ODD)])


DATA = ("replace", "replace", "remove", "wrap", "misspell", "swap", "add")
NUMBER = st.integers(0, 10**6)
BREAK = st.tuples(st.sampled_from((*DATA, "text", "cut", "bytes", "encoding")), NUMBER, NUMBER)


@st.composite
def specs(draw) -> bytes:
    """The bytes of a file."""
    data = copy.deepcopy(draw(st.sampled_from(SOUND)))
    breaks = draw(st.lists(BREAK, min_size=1, max_size=4))
    for kind, where, how in breaks:
        if kind in DATA:
            broken(data, kind, where, how)
    text = yaml.dump(data, Dumper=DUMPER, sort_keys=False, allow_unicode=True, default_flow_style=draw(st.booleans()))
    for kind, where, how in breaks:
        place = where % (len(text) + 1)
        if kind == "text":
            text = text[:place] + SNIPPETS[how % len(SNIPPETS)] + text[place:]
        elif kind == "cut":
            text = text[:place]
    raw = text.encode("utf-8", errors="surrogatepass")
    for kind, where, how in breaks:
        place = where % (len(raw) + 1)
        if kind == "bytes":
            raw = raw[:place] + BYTES[how % len(BYTES)] + raw[place:]
        elif kind == "encoding":
            raw = raw.decode("utf-8", errors="replace").encode(("utf-16", "utf-32", "utf-8-sig", "utf-7")[how % 4])
    return raw


def told(path) -> tuple[int, str, float]:
    """Exit code, what is said, and the processor's seconds; anything but a TunerError comes through."""
    start = time.process_time()
    code, said = 0, ""
    with redirect_stdout(io.StringIO()):
        try:
            run(path, check=True)
        except TunerError as error:
            code, said = error.exit_code, str(error)
    return code, said, time.process_time() - start


PLACE = re.compile(r"bad\.yaml|^[a-z-]+( [a-z-]+)?(\.\w+)?: expected")  # a line of the file, or an option by its name


def judge(raw: bytes, path) -> None:
    """A file is a sound spec, or is refused at once with a place and what was expected."""
    path.write_bytes(raw)
    code, said, seconds = told(path)
    assert code in (0, 2), said
    assert seconds < SECONDS, (seconds, said)
    if code == 2:
        assert PLACE.search(said), said
        assert said.replace("\n", "").isprintable(), said
        assert len(said) < 20_000
