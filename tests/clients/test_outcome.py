"""The table of outcomes."""

from __future__ import annotations

import pytest

from ktrial.clients.outcome import FAILED, FAILED_IF_ONLY_ATTEMPT, UNKNOWN, Outcome, code_names, outcome_of


def test_every_code_of_the_library_is_placed() -> None:
    """A code that the installed library knows and the table does not fails here: place it, and say why."""
    placed = set(FAILED) | set(FAILED_IF_ONLY_ATTEMPT) | UNKNOWN | {"NO_ERROR"}
    assert set(code_names().values()) == placed


def test_no_code_is_placed_twice() -> None:
    """Each code has one place."""
    assert not set(FAILED) & set(FAILED_IF_ONLY_ATTEMPT)
    assert not (set(FAILED) | set(FAILED_IF_ONLY_ATTEMPT)) & UNKNOWN


def test_every_failure_has_its_reason() -> None:
    """To claim that a record was certainly not written needs a reason."""
    assert all(reason for reason in (*FAILED.values(), *FAILED_IF_ONLY_ATTEMPT.values()))


@pytest.mark.parametrize(
    "error",
    [
        "_MSG_TIMED_OUT",
        "NOT_LEADER_FOR_PARTITION",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "_PURGE_INFLIGHT",
        "_TRANSPORT",
    ],
)
@pytest.mark.parametrize("only_attempt", [True, False])
def test_doubt_is_unknown(error: str, only_attempt: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """These may follow an append, however often it was tried."""
    assert outcome_of(error, only_attempt=only_attempt) is Outcome.UNKNOWN


@pytest.mark.parametrize("error", ["NOT_ENOUGH_REPLICAS", "_PURGE_QUEUE", "MSG_SIZE_TOO_LARGE"])
def test_refused_attempt_is_failed_only_if_it_was_the_only_one(error: str) -> None:
    """An earlier attempt, its answer lost, may have been appended."""
    assert outcome_of(error, only_attempt=True) is Outcome.FAILED
    assert outcome_of(error, only_attempt=False) is Outcome.UNKNOWN


def test_no_error_is_ok_and_a_stranger_is_unknown() -> None:
    """No error is ok; a name from a newer library is doubt."""
    assert outcome_of(None, only_attempt=False) is Outcome.OK
    assert outcome_of("SOMETHING_NEW", only_attempt=True) is Outcome.UNKNOWN
