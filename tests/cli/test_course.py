"""`ktrial list` and `ktrial show`, lessons, and the page that is made from the labs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ktrial.cli.entry import enter
from ktrial.labs import LABS
from ktrial.report.course import course_page, course_table, trials_markdown

if TYPE_CHECKING:
    from ktrial.lab import Lab
    from ktrial.verdict import Language

PAGE = Path(__file__).resolve().parents[2] / "docs" / "labs.md"
PARTS: dict[Language, tuple[str, ...]] = {
    "en": ("Goal", "The idea", "Predict", "What to look at", "Why", "By hand", "In production", "Read next"),
    "ko": ("목표", "핵심", "예측", "무엇을 볼까요", "왜", "손으로", "실무", "더 읽"),
}


def test_the_page_says_what_the_labs_say() -> None:
    """docs/labs.md is fresh; `ktrial list --markdown > docs/labs.md` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == course_page(LABS)


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_lesson_has_all_its_parts_and_trials(lab: Lab, language: Language) -> None:
    """Both languages teach the same: every part is there, and every trial is spoken of by name."""
    lesson = lab.lesson(language)
    headings = [line.lstrip("# ") for line in lesson.splitlines() if line.startswith("## ")]
    missing = [part for part in PARTS[language] if not any(head.startswith(part) for head in headings)]
    assert not missing
    assert [trial.name for trial in lab.trials if f"`{trial.name}`" not in lesson] == []


def test_the_table_is_aligned_in_cells_not_letters(course: tuple[Lab, ...]) -> None:
    """Trials stand below their lab, with the number of their settings."""
    assert course_table(course, "en") == [
        " 3  acks         Acknowledgements",
        "      leader-dies  2 settings    Is it lost in leader-dies?",
        "      acks-cost    1 setting     Is it lost in acks-cost?",
        " 7  replication  Replication",
        "      isr-shrinks  1 setting     Is it lost in isr-shrinks?",
    ]


def test_predictions_are_kept_back_until_asked_for(course: tuple[Lab, ...]) -> None:
    """A lesson must not give the answers away."""
    lab = course[0]
    assert "broken" not in trials_markdown(lab, "en", answers=False)
    told = trials_markdown(lab, "en", answers=True)
    assert "`acks=1`: predicted **broken**" in told
    assert "`acks=0` (only measured, not predicted)" in told


def test_a_pipe_gets_the_lesson_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """Number or name; raw Markdown, with the trials at its end."""
    assert enter(["show", "3", "--lang", "ko"]) == 0
    by_number = capsys.readouterr().out
    assert enter(["show", "acks", "--lang", "ko"]) == 0
    assert capsys.readouterr().out == by_number
    assert by_number.startswith("# ")
    assert "ktrial run acks/leader-dies-unreplicated" in by_number
