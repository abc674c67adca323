"""The course as text: the table of `ktrial list`, the trials below a lesson, and the page docs/labs.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktrial.report.words import columns, verdict_word, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ktrial.lab import Lab, Setting, Trial
    from ktrial.verdict import Language

PAGE_NOTE = """\
Made from the labs themselves by `ktrial list --markdown`; a test fails when this page is not what they say.
`-` in the last column: measured, not predicted."""


def course_table(labs: Sequence[Lab], language: Language) -> list[str]:
    """Return the lines of `ktrial list`: each lab with its trials, how many settings, and the question."""
    rows = [_row(trial, language) for lab in labs for trial in lab.trials]
    trials = iter(columns(rows))
    heads = iter(columns([(f"{lab.number:>2}", lab.name, lab.title.pick(language)) for lab in labs]))
    lines = []
    for lab in labs:
        lines.append(next(heads))
        lines += [f"      {next(trials)}" for _ in lab.trials]
    return lines


def _row(trial: Trial, language: Language) -> tuple[str, ...]:
    count = len(trial.settings)
    counted = f"설정 {count}" if language == "ko" else f"{count} setting{'s'[: count != 1]}"
    beyond = "beyond" if trial.beyond else ""
    return trial.name, counted, beyond, trial.question.pick(language)


def trials_markdown(lab: Lab, language: Language, *, answers: bool) -> str:
    """Return the lab's trials as Markdown: question, settings and, asked for, what is predicted of them."""
    parts = [f"## {'실험' if language == 'ko' else 'Trials'}"]
    for trial in lab.trials:
        beyond = " *(beyond)*" if trial.beyond else ""
        settings = [f"- {_setting(setting, language, answers=answers)}" for setting in trial.settings]
        parts += [
            f"### {trial.name}{beyond}",
            trial.question.pick(language),
            "\n".join(settings),
            f"```\nktrial run {lab.name}/{trial.name}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _setting(setting: Setting, language: Language, *, answers: bool) -> str:
    if setting.predicted is None:
        return f"`{setting.label}` {word('not asked', language)}"
    if not answers:
        return f"`{setting.label}`"
    return f"`{setting.label}`: {word('predicted', language)} **{verdict_word(setting.predicted, language)}**"


def course_page(labs: Iterable[Lab]) -> str:
    """Return docs/labs.md: every lab, trial and setting with its prediction, in both languages."""
    parts = [
        "# The labs",
        PAGE_NOTE,
    ]
    for lab in labs:
        parts += [f"## {lab.number} {lab.name}: {lab.title.en} · {lab.title.ko}", *_trials_page(lab)]
    return "\n\n".join(parts) + "\n"


def _trials_page(lab: Lab) -> Iterable[str]:
    for trial in lab.trials:
        yield f"### {lab.name}/{trial.name}{' (beyond)' * trial.beyond}"
        yield f"{trial.question.en}  \n{trial.question.ko}"
        yield "\n".join(
            ["| setting | predicted |", "|---|---|"]
            + [f"| `{setting.label}` | {setting.predicted or '-'} |" for setting in trial.settings]
        )
        if trial.by_hand:
            yield "\n".join(["```", *trial.by_hand, "```"])
