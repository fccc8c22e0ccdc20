"""YAML as tuner reads it: the values of YAML 1.2, a line for everything, and bounds on what is hostile."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuner.errors import SpecError
from tuner.space.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES, copy_plain, parse, read_file

VALUES = {
    "1e-4": 1e-4, "1E5": 1e5, "+.5": 0.5, "1.": 1.0, "-3": -3, "007": 7, "12345678901234567890": 12345678901234567890.0,
    "null": None, "~": None, "": None, "Null": None, "true": True, "FALSE": False,
    "yes": "yes", "off": "off", "1:30": "1:30", "2024-01-01": "2024-01-01", "0x10": "0x10", "1_000": "1_000",
    "'1e-4'": "1e-4", '"null"': "null", "e5": "e5", ".": ".", "sobol": "sobol", "é": "é",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_scalars(text: str, value: object) -> None:
    found = parse(f"key: {text}", "x").data["key"]
    assert (found, type(found)) == (value, type(value))


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)


# JSON's escapes for characters beyond U+FFFF are no YAML.
@given(plain.filter(lambda value: max(json.dumps(value, ensure_ascii=False)) <= "\uffff"))
def test_json_reads_as_itself(value: object) -> None:
    assert parse(json.dumps(value), "x").data == value


def test_every_key_and_item_has_its_line() -> None:
    source = parse("a: 1\nb:\n  c: [x,\n    y]\n  d: {e: 2}\n", "sweep.yaml").source
    assert [source.line(path) for path in (("a",), ("b",), ("b", "c"), ("b", "c", 1), ("b", "d", "e"))] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert source.place(("b", "d", "absent", 3)) == "sweep.yaml:5"


WRONG = {
    "a: 1\na: 2": r"a: given twice, first on line 1 \(x:2\)",
    "a: {b: 1,\n b: 2}": r"a.b: given twice, first on line 1 \(x:2\)",
    "a: &x 1\nb: *x": r"no anchors \(&\) and aliases \(\*\).* \(x:1\)",
    "a: *x": "aliases",
    "1: 2": r"expected a word as key, got 1; quote it if it is a name \(x:1\)",
    "null: 2": "expected a word as key, got null",
    "[1]: 2": "expected a word as key, got a list or a mapping",
    "a: !!python/name:os.system x": "expected no tag",
    "a: !!str 1": "a: expected no tag",
    "a: .inf": "a: expected a finite number, got '.inf'",
    "a: [1, -.NaN]": r"a\[1\]: expected a finite number",
    "a: 1e999": "expected a finite number",
    "a: [": r"not valid YAML: .* \(x:\d\)",
    "a: b: c": r"not valid YAML: .* \(x:1\)",
    "a: \tb\n\tc: 1": "not valid YAML",
    "a: 1\n---\nb: 2": r"expected one YAML document, got a second \(x:2\)",
    "a\0b": "not valid YAML: .*control characters",
    "\ud800": "not valid YAML|UTF-8",
    "[" * 5000: "levels of nesting|not valid YAML",
    "- " * 100 + "x": f"at most {MAX_DEPTH} levels",
    "a: [" + "1," * (MAX_VALUES + 1) + "]": f"at most {MAX_VALUES:,} values",
    "a: " + "é" * (MAX_BYTES // 2): "at most 1 MiB",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=[m[:30] for m in WRONG.values()])
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse(text, "x")


def test_problems_come_together_in_line_order() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: .nan\n2: 1\nb: !t 1\nb: 1\n", "x")
    assert [line.rpartition(":")[2] for line in str(caught.value).splitlines()] == ["1)", "2)", "4)", "4)"]


def test_a_million_problems_are_not_listed() -> None:
    with pytest.raises(SpecError, match=r"and \d+ more$"):
        parse("a: [" + ".inf, " * 5000 + "]", "x")


def parse_or_refuse(text: str) -> object:
    try:
        return parse(text, "x").data
    except SpecError as error:
        return error


HOSTILE = ["[" * MAX_BYTES, "{a: " * 200_000, "- " * 500_000, "a: 1\n" * 200_000, "9" * MAX_BYTES, "&a [*a," * 100_000,
           "'" * MAX_BYTES, "? " * 500_000, "a: |\n" + " x\n" * 300_000, "%" * MAX_BYTES, "\n" * MAX_BYTES]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:6] for text in HOSTILE])
def test_hostile_text_is_done_with_quickly(text: str) -> None:
    start = time.process_time()
    found = parse_or_refuse(text)
    assert not isinstance(found, SpecError) or len(str(found)) < 10_000
    assert time.process_time() - start < 5


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from(list("a:-?[]{},&*!|>'\"%@`#\n\t 1.e~\\")) | st.characters(), max_size=60))
@example("\N{BYTE ORDER MARK}a: 1")
def test_any_text_is_read_or_refused(text: str) -> None:
    found = parse_or_refuse(text)
    if isinstance(found, SpecError):
        assert "(x" in str(found)
    else:
        json.dumps(found, allow_nan=False)


def test_files_that_are_none(tmp_path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        read_file(tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="expected a file, got a folder"):
        read_file(tmp_path)
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"a: 1\n\xff\xfe")
    with pytest.raises(SpecError, match=r"UTF-8, got other bytes \(b.yaml:2\)"):
        read_file(binary)
    with pytest.raises(SpecError, match="cannot be read"):
        read_file("a\0b")


def test_files_that_are_read(tmp_path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("\N{BYTE ORDER MARK}a: é".encode())
    assert parse(read_file(file), "a").data == {"a": "é"}
    file.write_bytes(b"a: " + "é".encode() * MAX_BYTES)
    with pytest.raises(SpecError, match="at most 1 MiB"):
        parse(read_file(file), "a")


@given(plain)
def test_plain_data_is_copied_as_it_is(value: object) -> None:
    assert copy_plain(value, "x") == value


NOT_PLAIN = {"nan": float("nan"), "large": 10**5000, "bytes": b"x", "key": {1: 2}, "set": {1}, "deep": []}
for _ in range(5000):
    NOT_PLAIN["deep"] = [NOT_PLAIN["deep"]]


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_other_data_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="text, a finite number"):
        copy_plain({"a": [NOT_PLAIN[name]]}, "x")
