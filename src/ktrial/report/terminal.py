"""A run as it goes on, for people: what is awaited and for how long, and each setting's verdict as it comes.

Listens to the feed; prints results as lines and draws progress on a terminal. It knows no lab and starts nothing.
"""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktrial.report.measured import measured_lines
from ktrial.report.words import STYLES, sign, told, verdict_word, word
from ktrial.results import SettingResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType
    from rich.spinner import Spinner

    from ktrial.feed import Event
    from ktrial.report.screen import Screen, Segment
    from ktrial.verdict import Language

MEGABYTE = 1_000_000
TENTHS = 10
MOST_ROWS = 6


@dataclass(slots=True)
class Awaited:
    """What is waited for: since when (s, monotonic), and for how long at most (0: no limit is known)."""

    what: str
    since_s: float
    limit_s: float = 0.0


@dataclass(slots=True)
class Watcher:
    """Turns the feed's events into lines and progress; `settings` is how many settings the whole run has."""

    screen: Screen
    language: Language
    settings: int
    _awaited: Awaited | None = None
    _going_on: dict[str, Awaited | str] = field(default_factory=dict)
    _fetched: tuple[int, int] = (0, 0)
    _tenths: int = -1
    _ended: int = 0
    _spinner: Spinner | None = None
    _began_s: float = field(default_factory=time.monotonic)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, event: Event) -> None:
        """Take one event; kinds that it does not know are no business of the terminal."""
        take = getattr(self, f"_on_{event.kind}", None)
        if take is not None:
            with self._lock:
                take(event.fields)

    def _on_fetching(self, fields: Mapping[str, object]) -> None:
        done, total = int(str(fields["done"])), int(str(fields["total"]))
        self._fetched = (done, total) if done < total else (0, 0)
        what = told(fields["what"], self.language)
        self._awaited = Awaited(what, self._awaited.since_s if self._awaited else time.monotonic())
        tenths = TENTHS * done // max(total, 1)
        if not self.screen.is_live and tenths != self._tenths:
            amount = f"{done / MEGABYTE:.0f} / {total / MEGABYTE:.0f} MB"
            self.screen.remark((f"{word('fetching', self.language)} {what}: {amount}", ""))
        self._tenths = tenths
        if done >= total:
            self._awaited = None

    def _on_said(self, fields: Mapping[str, object]) -> None:
        self.screen.remark((told(fields["text"], self.language), ""))

    def _on_booting(self, fields: Mapping[str, object]) -> None:
        self._await(f"Kafka ({fields['brokers']})", word("starting", self.language))

    def _on_booted(self, fields: Mapping[str, object]) -> None:
        self._awaited = None
        if not self.screen.is_live:
            took = f"{float(str(fields['seconds'])):.1f} s"
            self.screen.remark((f"Kafka: {word('ready after', self.language)} {took}", ""))

    def _on_lab(self, fields: Mapping[str, object]) -> None:
        name = f"{word('lab', self.language)} {fields['number']} {fields['name']}"
        self.screen.result((name, "bold"), (f": {told(fields['title'], self.language)}", ""))

    def _on_trial(self, fields: Mapping[str, object]) -> None:
        name = str(fields["name"])
        self.screen.result((name, "bold"), (f": {told(fields['question'], self.language)}", ""), inset=2)

    def _on_entered(self, fields: Mapping[str, object]) -> None:
        self._going_on[str(fields["place"])] = ""

    def _on_awaiting(self, fields: Mapping[str, object]) -> None:
        what = f"{word('waiting for', self.language)} {told(fields['what'], self.language)}"
        limit_s = float(str(fields.get("limit_s", 0.0)))
        self._going_on[str(fields.get("place", ""))] = Awaited(what, time.monotonic(), limit_s)

    def _on_waited(self, fields: Mapping[str, object]) -> None:
        self._going_on[str(fields.get("place", ""))] = ""

    def _on_happened(self, fields: Mapping[str, object]) -> None:
        self._going_on[str(fields.get("place", ""))] = told(fields["text"], self.language)

    def _on_judging(self, fields: Mapping[str, object]) -> None:
        self._going_on[str(fields["place"])] = word("judging", self.language)

    def _on_left(self, fields: Mapping[str, object]) -> None:
        self._going_on.pop(str(fields["place"]), None)
        self._ended += 1

    def _on_judged(self, fields: Mapping[str, object]) -> None:
        result = fields["result"]
        if isinstance(result, SettingResult):
            for number, line in enumerate(setting_lines(result, self.language, self.screen.encoding)):
                self.screen.result(*line, inset=4 if number == 0 else 8)

    def _await(self, what: str, how: str, limit_s: object = None) -> None:
        self._awaited = Awaited(f"{how} {what}", time.monotonic(), float(str(limit_s)) if limit_s else 0.0)

    def draw(self) -> RenderableType:
        """Return the progress below the lines: where the run is, what it waits for, what happened last."""
        from rich.console import Group  # noqa: PLC0415 - slow to import, for terminals only
        from rich.spinner import Spinner  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with self._lock:
            minutes, seconds = divmod(int(time.monotonic() - self._began_s), 60)
            counted = (
                f"  {self._ended} / {self.settings} {word('settings', self.language)}"
                if self.settings
                else ""
            )
            self._spinner = self._spinner or Spinner("dots")
            self._spinner.update(text=Text(f"ktrial{counted}  {minutes}:{seconds:02}"))
            rows: list[RenderableType] = [self._spinner]
            if self._fetched[1]:
                rows.append(self._bar())
            if self._awaited:
                rows.append(Text(f"  {_waiting(self._awaited, self.language)}", style="dim", no_wrap=True))
            for place, doing in list(self._going_on.items())[:MOST_ROWS]:
                text = _waiting(doing, self.language) if isinstance(doing, Awaited) else doing
                rows.append(_row(place, text, shutil.get_terminal_size().columns - 2))
        return Group(*rows)

    def _bar(self) -> RenderableType:
        from rich.columns import Columns  # noqa: PLC0415 - slow to import, for terminals only
        from rich.progress_bar import ProgressBar  # noqa: PLC0415

        done, total = self._fetched
        amount = f"{done / MEGABYTE:.0f} / {total / MEGABYTE:.0f} MB"
        return Columns(["  ", ProgressBar(total=total, completed=done, width=40), amount])


def _waiting(awaited: Awaited, language: Language) -> str:
    since = f"{time.monotonic() - awaited.since_s:.1f} s"
    limit = f" ({word('at most', language)} {awaited.limit_s:g} s)" if awaited.limit_s else ""
    return f"{awaited.what}: {since}{limit}"


def _row(place: str, doing: str, cells: int) -> RenderableType:
    """Return one running setting and what it does now, cut to the terminal's width."""
    from rich.text import Text  # noqa: PLC0415 - slow to import, for terminals only

    row = Text(f"  {place}  ", style="bold")
    row.append(doing, style="not bold dim")
    row.truncate(cells, overflow="ellipsis")
    return row


def setting_lines(result: SettingResult, language: Language, encoding: str) -> list[list[Segment]]:
    """Return one setting's verdict and prediction, its sentence, and the sentences of evidence and doubt."""
    judgement = result.judgement
    mark = f"{sign(judgement.verdict, encoding)} {verdict_word(judgement.verdict, language)}"
    if result.predicted is None:
        compared = word("only measured", language)
    else:
        agreed = word("as predicted" if result.as_predicted else "not as predicted", language)
        compared = f"{word('predicted', language)} {verdict_word(result.predicted, language)}: {agreed}"
    style = "" if result.as_predicted else "bold yellow"
    head: list[Segment] = [
        (mark, STYLES[judgement.verdict]),
        (f"  {result.setting}  ", "bold"),
        (f"({compared}", style),
        (f", {result.seconds:.1f} s)", ""),
    ]
    evidence = [anomaly.sentence.pick(language) for anomaly in judgement.anomalies if anomaly.breaks]
    doubts = [f"{word('doubt', language)}: {doubt.pick(language)}" for doubt in judgement.doubts]
    sentences = [*_news(judgement.summary.pick(language), [*evidence, *doubts]), *evidence, *doubts]
    if result.predicted is None:
        sentences += measured_lines(judgement.measured)
    return [head, *([(sentence, "")] for sentence in sentences if sentence)]


def _news(summary: str, sentences: list[str]) -> list[str]:
    """Return the summary unless the sentences that follow say all of it again."""
    told = all(any(part.rstrip(".") in sentence for sentence in sentences) for part in summary.split("; "))
    return [] if told else [summary]
