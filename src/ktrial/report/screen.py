"""Where the lines of a run go: results to stdout, remarks and live progress to people.

On a terminal, progress is drawn below the lines and redrawn in place. In a pipe there are plain lines only, without
colours or control sequences. A reader that has gone away (a broken pipe) mutes the screen; the run goes on.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.live import Live

Segment = tuple[str, str]
"""A piece of a line, and its Rich style ('' for none)."""


class Screen:
    """Prints lines made of segments, and keeps a live display below them where there is a terminal."""

    def __init__(self, *, as_json: bool, output: TextIO | None = None, errors: TextIO | None = None) -> None:
        """Look at both streams: which of them is a terminal decides what is drawn where."""
        self._output = output or sys.stdout
        self._errors = errors or sys.stderr
        self._live: Live | None = None
        self._muted = False
        results = None if as_json else _console(self._output)
        self._console = results or _console(self._errors)
        self._results = results or (self._console if as_json else None)
        self._plain_results = not as_json
        self._plain_remarks = not as_json

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal to draw progress on."""
        return self._console is not None

    @property
    def encoding(self) -> str:
        """The encoding of the stream that results go to."""
        return self._output.encoding or "ascii"

    def result(self, *segments: Segment, inset: int = 0, whole: bool = False) -> None:
        """Print one line of results; a `whole` one is never broken, so that it can be copied."""
        plain = self._output if self._plain_results else None
        if self._results is not None and whole:
            self._results.print(
                " " * inset + _joined(segments), highlight=False, markup=False, soft_wrap=True
            )
        else:
            self._print(self._results, plain, segments, inset)

    def remark(self, *segments: Segment, inset: int = 0) -> None:
        """Print one line for people."""
        self._print(self._console, self._errors if self._plain_remarks else None, segments, inset)

    def show(self, renderable: RenderableType) -> None:
        """Print something of Rich's on the terminal of the results; call it only where `draws_results`."""
        if self._results is not None:
            self._results.print(renderable)

    @property
    def draws_results(self) -> bool:
        """Whether results go to a terminal, on which tables may be drawn."""
        return self._results is not None and self._plain_results

    @contextmanager
    def live(self, draw: Callable[[], RenderableType]) -> Iterator[None]:
        """Keep what `draw` returns below the lines for as long as the body lasts."""
        if self._console is None:
            yield
            return
        from rich.live import Live  # noqa: PLC0415 - slow to import, for terminals only

        self._live = Live(
            get_renderable=draw,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )
        try:
            with self._live:
                yield
        finally:
            self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the live display away while the body asks something."""
        live = self._live
        if live is not None:
            live.stop()
        try:
            yield
        finally:
            if live is not None:
                live.start()

    def ask(self, prompt: str) -> str | None:
        """Return the line that is typed after a prompt, or None at the end of input."""
        stream = self._output if self._plain_results and self._output.isatty() else self._errors
        stream.write(prompt)
        stream.flush()
        typed = sys.stdin.readline()
        return typed.strip() if typed else None

    def _print(
        self, console: Console | None, plain: TextIO | None, segments: Sequence[Segment], inset: int
    ) -> None:
        if console is not None:
            from rich.padding import Padding  # noqa: PLC0415 - slow to import, for terminals only
            from rich.text import Text  # noqa: PLC0415

            console.print(Padding(Text.assemble(*segments), (0, 0, 0, inset), expand=False), highlight=False)
        elif plain is not None and not self._muted:
            try:
                plain.write(" " * inset + _joined(segments) + "\n")
                plain.flush()
            except BrokenPipeError:
                self._muted = True
                with suppress(OSError, ValueError):
                    plain.close()


def _joined(segments: Sequence[Segment]) -> str:
    return "".join(text for text, _style in segments)


def _console(stream: TextIO) -> Console | None:
    """Return a Rich console for a stream that is a capable terminal, else None."""
    if not stream.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415 - slow to import, for terminals only

    console = Console(file=stream)
    return None if console.is_dumb_terminal else console
