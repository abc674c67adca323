"""report.html: one self-contained page of a finished run, made from report.json and the histories beside it.

Everything that comes from data is escaped; nothing is fetched from anywhere.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from ktrial.report.measured import measured_lines
from ktrial.report.pictures import of_setting, of_trial
from ktrial.report.style import CSS, SCRIPT
from ktrial.report.words import GLOSS, SIGNS, WORDS
from ktrial.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktrial.history.tables import History
    from ktrial.verdict import Language

    Json = Mapping[str, Any]
    Histories = Callable[[str], History | None]

MEGABYTE = 1_000_000


def html_page(report: Json, histories: Histories, language: Language) -> str:
    """Return the page; `histories` gives the history of a setting by its place in the run's folder, or None."""
    body = [
        _head(report),
        _table(report),
        *(_lab(lab, histories) for lab in report["labs"]),
        _settings(report),
    ]
    return (
        f'<!doctype html><html lang="{language}" data-lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ktrial</title><style>{CSS}</style></head><body>"
        '<nav><button id="lang">한국어 / English</button> <button id="theme">☀ / ☾</button></nav>'
        f"{''.join(body)}<script>{SCRIPT}</script></body></html>\n"
    )


def _both(ko: object, en: object) -> str:
    """Return a text in both languages, of which the page shows one."""
    return f'<span lang="ko">{escape(str(ko))}</span><span lang="en">{escape(str(en))}</span>'


def _said(text: Json) -> str:
    return _both(text["ko"], text["en"])


def _word(name: str) -> str:
    return _both(WORDS[name].ko, WORDS[name].en)


def _verdict(name: object) -> str:
    """Return a verdict as sign and word, never as a colour alone."""
    if name is None:
        return "-"
    verdict = Verdict(str(name))
    word = _both(f"{verdict} {GLOSS[verdict]}", verdict)
    return f'<span class="{verdict}">{SIGNS[verdict]} {word}</span>'


def _head(report: Json) -> str:
    settings = [s for lab in report["labs"] for trial in lab["trials"] for s in trial["settings"]]
    predicted = [setting for setting in settings if setting["predicted"] is not None]
    right = sum(bool(setting["as_predicted"]) for setting in predicted)
    machine = {name: value for name, value in report["machine"].items() if name != "release"}
    facts = [
        f"ktrial {report['ktrial']}, Kafka {report['kafka']}, {report['client']}",
        ", ".join(f"{name} {value}" for name, value in machine.items()),
        f"seed {report['seed']}, {report['seconds']:.0f} s, {report.get('disk_bytes', 0) / MEGABYTE:.0f} MB",
        "feature levels: " + ", ".join(f"{name} {level}" for name, level in report["features"].items()),
    ]
    score = report.get("score") or {}
    lines = [f'<p class="dim">{escape(fact)}</p>' for fact in facts]
    told = f"<p><b>{_word('as predicted')}: {right} / {len(predicted)}</b></p>"
    if score:
        told += f"<p><b>{_word('your score')}: {int(score['right'])} / {int(score['of'])}</b></p>"
    if report.get("interrupted"):
        told += f"<p>{_word('interrupted')}</p>"
    return f"<h1>ktrial</h1>{told}{''.join(lines)}"


def _table(report: Json) -> str:
    heads = ("trial", "setting", "predicted", "verdict", "as predicted", "seconds")
    rows = ["".join(f"<th>{_word(head)}</th>" for head in heads)]
    for lab in report["labs"]:
        for trial in lab["trials"]:
            for number, setting in enumerate(trial["settings"]):
                place = f"{lab['number']} {trial['name']}" if number == 0 else ""
                agreed = (
                    "-" if setting["predicted"] is None else _word("yes" if setting["as_predicted"] else "no")
                )
                rows.append(
                    f"<td>{escape(place)}</td><td>{escape(setting['setting'])}</td>"
                    f"<td>{_verdict(setting['predicted'])}</td><td>{_verdict(setting['verdict'])}</td>"
                    f'<td>{agreed}</td><td class="number">{setting["seconds"]:.1f}</td>'
                )
    return '<div class="wide"><table>' + "".join(f"<tr>{row}</tr>" for row in rows) + "</table></div>"


def _lab(lab: Json, histories: Histories) -> str:
    trials = "".join(_trial(trial, histories) for trial in lab["trials"])
    return f"<h2>{lab['number']} {escape(lab['name'])}: {_said(lab['title'])}</h2>{trials}"


def _trial(trial: Json, histories: Histories) -> str:
    pictures = f'<div class="charts">{"".join(of_trial(trial["settings"]))}</div>'
    settings = "".join(_setting(setting, histories) for setting in trial["settings"])
    commands = "\n".join(trial.get("by_hand") or ())
    by_hand = f"<h4>{_word('by hand')}</h4><pre>{escape(commands)}</pre>" if commands else ""
    return f"<h3>{escape(trial['name'])}</h3><p>{_said(trial['question'])}</p>{pictures}{settings}{by_hand}"


def _setting(setting: Json, histories: Histories) -> str:
    predicted = (
        _word("only measured")
        if setting["predicted"] is None
        else f"{_word('predicted')}: {_verdict(setting['predicted'])}"
    )
    sentences = [_said(setting["summary"])]
    sentences += [_said(anomaly["sentence"]) for anomaly in setting["anomalies"]]
    sentences += [f"{_word('doubt')}: {_said(doubt)}" for doubt in setting.get("doubts", ())]
    numbers = _numbers(setting["measured"])
    faults = "".join(f"<tr>{_fault(fault)}</tr>" for fault in setting["faults"])
    pictures = "".join(of_setting(setting["measured"], histories(str(setting.get("history", "")))))
    mark = "" if setting["as_predicted"] else " differs"
    return (
        f'<section class="setting{mark}"><h4>{_verdict(setting["verdict"])} &nbsp; {escape(setting["setting"])}</h4>'
        f"<p>{predicted}</p>{''.join(f'<p>{line}</p>' for line in dict.fromkeys(sentences))}{numbers}"
        f"{f'<table>{faults}</table>' if faults else ''}{pictures}</section>"
    )


def _numbers(measured: Json) -> str:
    """Return what was measured: plain numbers in a line, tables of numbers as tables."""
    tables = {name: rows for name, rows in measured.items() if _is_table(rows)}
    plain = {name: value for name, value in measured.items() if name not in tables}
    told = "".join(f'<p class="dim">{escape(line)}</p>' for line in _lines(plain))
    return told + "".join(_numbers_table(name, rows) for name, rows in tables.items())


def _lines(plain: Json) -> list[str]:
    """Return a line of numbers, and one for each mapping of numbers."""
    lists = {name: value for name, value in plain.items() if isinstance(value, dict) and value}
    told = measured_lines({name: value for name, value in plain.items() if name not in lists})
    return told + [
        f"{name}: " + ", ".join(f"{each} {_shown(value)}" for each, value in some.items())
        for name, some in lists.items()
    ]


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(row, dict) for row in value.values())


def _numbers_table(name: str, rows: Mapping[str, Json]) -> str:
    heads = list(dict.fromkeys(head for row in rows.values() for head in row))
    cells = "".join(f"<th>{escape(head)}</th>" for head in (name, *heads))
    lines = [
        f"<td>{escape(place)}</td>"
        + "".join(f'<td class="number">{escape(_shown(row.get(head)))}</td>' for head in heads)
        for place, row in rows.items()
    ]
    table = "".join(f"<tr>{line}</tr>" for line in (cells, *lines))
    return f'<div class="wide"><table>{table}</table></div>'


def _fault(fault: Json) -> str:
    times = [
        f"{name.removesuffix('_s')} {fault[name]:.3f} s"
        for name in ("injected_s", "landed_s", "healed_s")
        if fault.get(name) is not None
    ]
    return f"<td>{escape(str(fault['fault']))} {escape(str(fault['target']))}</td><td>{escape(', '.join(times))}</td>"


def _settings(report: Json) -> str:
    """Return every setting that is not a default, with the default beside it: shortened timers above all."""
    changed = report["settings_changed"]
    rows = []
    for group in ("broker", "client"):
        for name, told in changed.get(group, {}).items():
            cells = (group, name, told.get("value"), told.get("default"))
            rows.append("".join(f"<td>{escape(_shown(cell))}</td>" for cell in cells))
    for name, value in changed.get("asked_for", {}).items():
        rows.append(f"<td>-X</td><td>{escape(name)}</td><td>{escape(_shown(value))}</td><td></td>")
    heads = "<th></th><th>" + "</th><th>".join(_both(*pair) for pair in HEADS) + "</th>"
    return f"<h2>{_both(*CHANGED)}</h2><table><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


HEADS = (("설정", "setting"), ("값", "value"), ("기본값", "default"))
CHANGED = ("기본값이 아닌 설정", "Settings that are not defaults")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
