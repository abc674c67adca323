"""The Java profile, and settings that do not exist."""

from __future__ import annotations

import pytest

from ktrial.clients.names import JAVA_NAMES, LIBRARY_NAMES
from ktrial.clients.profile import (
    ALIASES,
    DIFFERENCES,
    Role,
    Setting,
    check,
    complete,
    java_profile,
    promises_nothing,
    tries_once,
)
from ktrial.errors import UsageProblem


@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_profile_is_accepted(role: Role) -> None:
    """The library takes the profile as it is."""
    check(role, {})


def test_differences_differ() -> None:
    """What is listed as a difference is one, under a name that the library has."""
    for difference in DIFFERENCES:
        assert difference.java != difference.library
        assert difference.name in LIBRARY_NAMES


def test_names_are_those_of_the_library() -> None:
    """No name that we would offer is unknown to the library, and no alias points nowhere."""
    for name in {*JAVA_NAMES.values(), *ALIASES, *ALIASES.values()}:
        assert name in LIBRARY_NAMES
    for name in sorted(LIBRARY_NAMES - {"plugin.library.paths"}):
        try:
            check("producer", {name: "\x01"})
        except UsageProblem as problem:
            assert "There is no client setting" not in str(problem)  # noqa: PT017 - only this text would be wrong


def test_chosen_settings_win_verbatim() -> None:
    """Whatever the user names is passed on as it was written, whether by name or alias."""
    settings = complete("producer", {"linger.ms": "20", "max.in.flight": 3})
    assert settings["linger.ms"] == "20"
    assert settings["max.in.flight"] == 3
    assert "max.in.flight.requests.per.connection" not in settings


@pytest.mark.parametrize(
    "chosen", [{"acks": 0}, {"acks": "1"}, {"request.required.acks": 1}, {"retries": 0}, {"max.in.flight": 6}]
)
def test_idempotence_yields_as_in_java(chosen: dict[str, Setting]) -> None:
    """Settings that rule idempotence out switch it off, unless it was asked for; then they are refused."""
    assert java_profile("producer", chosen)["enable.idempotence"] is False
    check("producer", chosen)
    with pytest.raises(UsageProblem):
        check("producer", {**chosen, "enable.idempotence": True})


def test_new_group_protocol_has_no_assignor() -> None:
    """With group.protocol=consumer the client-side assignor is left out, because the library refuses it."""
    assert "partition.assignment.strategy" not in java_profile("consumer", {"group.protocol": "consumer"})
    check("consumer", {"group.protocol": "consumer"})


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("linger", "linger.ms"),
        ("enable.idempotense", "enable.idempotence"),
        ("max.request.size", "message.max.bytes"),
    ],
)
def test_unknown_setting_offers_the_nearest(name: str, offered: str) -> None:
    """A setting that does not exist is refused by name, with what may have been meant."""
    with pytest.raises(UsageProblem, match=f"no client setting '{name}'.*{offered}"):
        check("producer", {name: 5})


def test_wrong_value_is_refused_without_its_secret() -> None:
    """A value out of range is refused in the library's words; a password is not repeated."""
    with pytest.raises(UsageProblem, match="outside allowed range"):
        check("producer", {"linger.ms": -5})
    with pytest.raises(UsageProblem) as caught:
        check(
            "producer",
            {"sasl.password": "hunter2", "sasl.mechanism": "X", "security.protocol": "SASL_PLAINTEXT"},
        )
    assert "hunter2" not in str(caught.value)


def test_delivery_reports_cannot_be_switched_off() -> None:
    """Without reports of success nothing would ever be acknowledged in the history."""
    with pytest.raises(UsageProblem, match="every delivery report"):
        check("producer", {"delivery.report.only.error": "true"})


def test_what_settings_promise() -> None:
    """acks=0 promises nothing, retries=0 allows one attempt; under any of their names and types."""
    assert promises_nothing({"request.required.acks": "0"})
    assert not promises_nothing({"acks": "all"})
    assert tries_once({"message.send.max.retries": 0})
    assert not tries_once({})
