"""Tokens: what opens, what does not, what is kept of them; and the audit log. On every kind of database."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from tuner.errors import UnknownNameError, UsageError
from tuner.ledger import tokens as module
from tuner.ledger.tokens import Deed, Role

NOW = 1_000.0


def everything(ledger):
    """All that the database holds of tokens, as one text."""
    with ledger._database.reading() as connection:
        return str(connection.execute(text("SELECT * FROM tokens")).all())


def test_a_token_opens_what_its_role_covers_and_only_its_hash_is_kept(ledger):
    secret = ledger.tokens.add("ada", Role.SUBMIT, at=NOW)
    found = ledger.tokens.check(secret, NOW)
    assert (found.name, found.role) == ("ada", Role.SUBMIT)
    mark, _, rest = secret.partition("_")
    _, _, word = rest.partition("_")
    assert mark == "tuner"
    assert len(word) == 43  # 256 bits in base64
    assert word not in everything(ledger)
    assert hashlib.sha256(word.encode()).hexdigest() in everything(ledger)


def test_roles_are_ordered():
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_what_is_wrong_opens_nothing(ledger):
    secret = ledger.tokens.add("grace", Role.ADMIN, at=NOW)
    mark, identity, word = secret.split("_", 2)
    swapped = word[:-1] + ("A" if word[-1] != "A" else "B")
    wrong = ["", "tuner", "tuner_", f"{mark}_{identity}_", f"{mark}_{identity}_{swapped}", f"tuna_{identity}_{word}"]
    wrong += [f"{mark}_{'0' * 12}_{word}", word, f" {secret}", f"{secret}\0", "tuner_\0_x", "tuner_\ud800_\ud800"]
    assert [ledger.tokens.check(attempt, NOW) for attempt in wrong] == [None] * len(wrong)
    assert ledger.tokens.check(secret, NOW) is not None


def test_secrets_are_compared_in_constant_time_also_where_nobody_has_the_id(ledger, monkeypatch):
    compared = []
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or False)
    ledger.tokens.check("tuner_000000000000_guess", NOW)
    assert [len(digest) for pair in compared for digest in pair] == [64, 64]


def test_an_expired_and_a_revoked_token_open_nothing_from_that_moment_on(ledger):
    short = ledger.tokens.add("short", Role.READ, at=NOW, expires_at=NOW + 10)
    gone = ledger.tokens.add("gone", Role.READ, at=NOW)
    assert ledger.tokens.check(short, NOW + 9.9) is not None
    assert ledger.tokens.check(short, NOW + 10) is None
    assert ledger.tokens.check(gone, NOW) is not None
    ledger.tokens.revoke("gone", NOW + 1)
    assert ledger.tokens.check(gone, NOW) is None
    ledger.tokens.revoke("gone", NOW + 2)
    assert {token.name: token.revoked_at for token in ledger.tokens.tokens()}["gone"] == NOW + 1


def test_a_name_is_given_once_for_ever(ledger):
    ledger.tokens.add("alan", Role.READ, at=NOW)
    ledger.tokens.revoke("alan", NOW)
    with pytest.raises(UsageError, match="'alan' is there already, or was; a name is given once"):
        ledger.tokens.add("alan", Role.ADMIN, at=NOW)


@pytest.mark.parametrize("name", ["", "Ada", "a b", "-a", "a" * 65, "a;b", "ä"])
def test_a_name_is_a_plain_word(ledger, name):
    with pytest.raises(UsageError, match="token name: expected lower-case letters"):
        ledger.tokens.add(name, Role.READ, at=NOW)


def test_an_expiry_lies_ahead_and_a_revoked_name_is_known(ledger):
    with pytest.raises(UsageError, match="expected an expiry in the future"):
        ledger.tokens.add("late", Role.READ, at=NOW, expires_at=NOW)
    ledger.tokens.add("margaret", Role.READ, at=NOW)
    with pytest.raises(UnknownNameError, match="did you mean 'margaret'"):
        ledger.tokens.revoke("margret", NOW)


def test_the_audit_log_is_told_from_its_end(ledger):
    deeds = [Deed(at=n, who="ada", what=f"POST /{n}\0", origin="::1", result="200") for n in range(5)]
    for deed in deeds:
        ledger.tokens.record(deed)
    assert [deed.what for deed in ledger.tokens.deeds(3)] == ["POST /4\\x00", "POST /3\\x00", "POST /2\\x00"]
