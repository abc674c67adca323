"""What a run came to: commands to redo it by hand, the table, the score, where everything is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ktrial.report.files import PAGE
from ktrial.report.words import STYLES, sign, verdict_word, word

if TYPE_CHECKING:
    from rich.table import Table

    from ktrial.report.screen import Screen
    from ktrial.results import RunResult, SettingResult
    from ktrial.verdict import Language


MEGABYTE = 1_000_000


def show_ending(result: RunResult, screen: Screen, language: Language) -> None:
    """Print the end of a run to the screen."""
    _by_hand(result, screen, language)
    if screen.draws_results:
        screen.show(_table(result, language, screen.encoding))
    predicted = [setting for setting in result.settings if setting.predicted is not None]
    right = sum(setting.as_predicted for setting in predicted)
    screen.result((f"{word('as predicted', language)}: {right} / {len(predicted)}", "bold"))
    if result.score:
        score = f"{word('your score', language)}: {result.score['right']} / {result.score['of']}"
        screen.result((score, "bold"))
    screen.result((f"{word('run folder', language)}: {_near(result.folder)}", ""), whole=True)
    if (result.folder / PAGE).is_file():
        screen.result((f"{word('report', language)}: {_near(result.folder) / PAGE}", ""), whole=True)
    if result.disk_bytes:
        disk = f"{word('disk', language)}: {result.disk_bytes / MEGABYTE:.0f} MB"
        screen.result((disk, ""))
    if result.interrupted:
        screen.remark((word("interrupted", language), "bold yellow"))


def _near(folder: Path) -> Path:
    """Return a folder as seen from here, where it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _by_hand(result: RunResult, screen: Screen, language: Language) -> None:
    for lab in result.labs:
        for trial in lab.trials:
            if trial.by_hand:
                screen.result((f"{word('by hand', language)}: {lab.name}/{trial.name}", "bold"))
                for command in trial.by_hand:
                    screen.result((command, ""), inset=2, whole=True)


def _table(result: RunResult, language: Language, encoding: str) -> Table:
    from rich.table import Table  # noqa: PLC0415 - slow to import, for terminals only

    table = Table()
    for title in ("trial", "setting", "predicted", "verdict", "as predicted"):
        table.add_column(word(title, language), overflow="fold")
    table.add_column(word("seconds", language), justify="right")
    for lab in result.labs:
        for trial in lab.trials:
            for number, setting in enumerate(trial.settings):
                place = f"{lab.number} {trial.name}" if number == 0 else ""
                table.add_row(place, *_cells(setting, language, encoding), f"{setting.seconds:.1f}")
    return table


def _cells(setting: SettingResult, language: Language, encoding: str) -> tuple[str, ...]:
    verdict = setting.judgement.verdict
    style = STYLES[verdict]
    predicted = "-" if setting.predicted is None else verdict_word(setting.predicted, language)
    agreed = "-" if setting.predicted is None else word("yes" if setting.as_predicted else "no", language)
    marked = f"[{style}]{sign(verdict, encoding)} {verdict_word(verdict, language)}[/]"
    return setting.setting.replace("[", r"\["), predicted, marked, agreed
