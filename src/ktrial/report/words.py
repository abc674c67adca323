"""The words of the terminal in both languages, the signs of the verdicts, and text laid out in columns.

A verdict is a word and a sign, never a colour alone; the contract's word (`held`) stays in every language.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE, Text, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ktrial.verdict import Language

SIGNS = {HELD: "✓", BROKEN: "✗", INCONCLUSIVE: "?"}
PLAIN_SIGNS = {HELD: "+", BROKEN: "x", INCONCLUSIVE: "?"}
STYLES = {HELD: "bold green", BROKEN: "bold red", INCONCLUSIVE: "bold yellow"}
GLOSS = {HELD: "지켜짐", BROKEN: "깨짐", INCONCLUSIVE: "판단 보류"}

WORDS = {
    "lab": Text("랩", "lab"),
    "trial": Text("실험", "trial"),
    "setting": Text("설정", "setting"),
    "predicted": Text("예측", "predicted"),
    "verdict": Text("판정", "verdict"),
    "as predicted": Text("예측대로", "as predicted"),
    "not as predicted": Text("예측과 다름", "not as predicted"),
    "only measured": Text("측정만", "only measured"),
    "yes": Text("예", "yes"),
    "no": Text("아니요", "no"),
    "seconds": Text("초", "seconds"),
    "your score": Text("내 점수", "your score"),
    "you said": Text("내 답", "you said"),
    "right": Text("맞음", "right"),
    "wrong": Text("틀림", "wrong"),
    "by hand": Text("손으로 다시 해 보기", "by hand"),
    "report": Text("보고서", "report"),
    "disk": Text("실행 중 사용한 디스크", "disk used by the run"),
    "run folder": Text("실행 기록", "run folder"),
    "question": Text("질문", "question"),
    "settings": Text("설정", "settings"),
    "doubt": Text("의심스러운 점", "doubt"),
    "waiting for": Text("기다리는 중:", "waiting for"),
    "at most": Text("최대", "at most"),
    "judging": Text("판정하는 중", "judging"),
    "fetching": Text("내려받는 중:", "fetching"),
    "starting": Text("시작하는 중:", "starting"),
    "ready after": Text("준비 완료:", "ready after"),
    "interrupted": Text(
        "중단되었습니다. 그때까지의 결과는 저장했습니다.", "Interrupted; what there was until then is saved."
    ),
    "not asked": Text("(예측 없이 측정만)", "(only measured, not predicted)"),
}


def word(name: str, language: Language) -> str:
    """Return one of the fixed words in one language."""
    return WORDS[name].pick(language)


def sign(verdict: Verdict, encoding: str | None) -> str:
    """Return the sign of a verdict, in ASCII where the output's encoding lacks the nicer one."""
    try:
        SIGNS[verdict].encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN_SIGNS[verdict]
    return SIGNS[verdict]


def verdict_word(verdict: Verdict, language: Language) -> str:
    """Return `held`, in Korean `held 지켜짐`."""
    return f"{verdict} {GLOSS[verdict]}" if language == "ko" else str(verdict)


def told(said: object, language: Language) -> str:
    """Return what an event says: a Text in the language, anything else as it is."""
    return said.pick(language) if isinstance(said, Text) else str(said)


def width(text: str) -> int:
    """Return how many cells of a terminal a text takes (a Korean syllable takes two)."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def padded(text: str, cells: int) -> str:
    """Return the text filled up with blanks to a number of cells."""
    return text + " " * max(0, cells - width(text))


def columns(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Return one line per row, its cells below each other; the last cell is not filled up."""
    kept = [list(row) for row in rows]
    widths = [
        max(width(row[n]) for row in kept if n < len(row)) for n in range(max(map(len, kept), default=0))
    ]
    return [gap.join(padded(cell, widths[n]) for n, cell in enumerate(row)).rstrip() for row in kept]
