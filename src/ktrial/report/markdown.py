"""report.md: a finished run as Markdown to paste: circumstances, the table of verdicts, sentences and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ktrial.report.measured import measured_lines
from ktrial.report.words import SIGNS, word
from ktrial.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ktrial.verdict import Language

    Json = Mapping[str, Any]


def markdown(report: Json, language: Language) -> str:
    """Return the report in one language."""
    versions = f"ktrial {report['ktrial']}, Kafka {report['kafka']}, {report['client']}"
    lines = [
        "# ktrial",
        "",
        f"{versions}, seed {report['seed']}, {report['seconds']:.0f} s",
        "",
        "| " + " | ".join(word(name, language) for name in HEADS) + " |",
        "|---" * len(HEADS) + "|",
    ]
    told: list[str] = []
    for lab in report["labs"]:
        for trial in lab["trials"]:
            told += [
                "",
                f"## {lab['number']} {lab['name']}: {trial['name']}",
                "",
                trial["question"][language],
            ]
            for setting in trial["settings"]:
                lines.append(_row(f"{lab['number']} {trial['name']}", setting, language))
                told += _setting(setting, language)
    return "\n".join([*lines, *told]) + "\n"


HEADS = ("trial", "setting", "predicted", "verdict", "as predicted", "seconds")


def _row(place: str, setting: Json, language: Language) -> str:
    agreed = "-"
    if setting["predicted"] is not None:
        agreed = word("yes" if setting["as_predicted"] else "no", language)
    cells = (
        place,
        _cell(setting["setting"]),
        setting["predicted"] or "-",
        _signed(setting["verdict"]),
        agreed,
        f"{setting['seconds']:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def _setting(setting: Json, language: Language) -> list[str]:
    said = [setting["summary"][language]]
    said += [anomaly["sentence"][language] for anomaly in setting["anomalies"]]
    said += [f"{word('doubt', language)}: {doubt[language]}" for doubt in setting.get("doubts", ())]
    said += measured_lines(setting["measured"])
    head = f"**{_signed(setting['verdict'])} {_cell(setting['setting'])}**"
    return ["", head, "", *(f"- {_cell(line)}" for line in dict.fromkeys(said))]


def _signed(verdict: str) -> str:
    return f"{SIGNS[Verdict(verdict)]} {verdict}"


def _cell(text: object) -> str:
    """Return data as text that is no markup of Markdown's or HTML's."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
