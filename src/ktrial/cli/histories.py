"""`ktrial judge` and `ktrial history export`: histories of ours or anyone's, judged again and handed on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ktrial.cli.arguments import Parser
from ktrial.errors import UsageProblem, nearest
from ktrial.store import KeptHistory, RunFolder, find_run, holds_history, safe_name
from ktrial.verdict import BROKEN, HELD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ktrial.history.tables import History
    from ktrial.verdict import Judgement, Language

EXIT_HELD, EXIT_BROKEN, EXIT_INCONCLUSIVE = 0, 1, 2
STANDARD_INPUT = Path("/dev/stdin")


def judge(arguments: list[str]) -> int:
    """`judge FILE [--json] [--claim KIND]`: exit status 0 when held, 1 when broken, 2 when inconclusive."""
    parser = Parser("judge", "Judge a history: NDJSON, or a folder that a run has kept.").with_language()
    parser.add_argument("file", metavar="FILE", help="a history (docs/history.md); `-` is standard input")
    parser.add_argument("--json", action="store_true", help="the judgement as JSON")
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="KIND",
        help="anomalies of this kind break the verdict, too (repeatable; for instance duplicate)",
    )
    asked = parser.parse_args(arguments)

    from ktrial.judges import everything  # noqa: PLC0415 - slow to import; the arguments come first

    judge_it = everything(asked.claim)
    judgement = judge_it(_read(asked.file))
    if asked.json:
        sys.stdout.write(json.dumps(judgement.as_json(), ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_told(judgement, asked.lang)) + "\n")
    return {HELD: EXIT_HELD, BROKEN: EXIT_BROKEN}.get(judgement.verdict, EXIT_INCONCLUSIVE)


def history(arguments: list[str]) -> int:
    """`history export RUN [SETTING ...] [--output PATH]`: write kept histories as NDJSON."""
    parser = Parser(
        "history export", "Write what a run has kept as NDJSON, one operation per line."
    ).with_runs()
    parser.add_argument("run", metavar="RUN", help="a run's folder, its name, or `last`")
    parser.add_argument("setting", nargs="*", metavar="SETTING", help="lab/trial/setting, or an end of it")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="a file; a folder where several are exported"
    )
    if arguments[:1] != ["export"]:
        if arguments[:1] in (["--help"], ["-h"]):
            parser.print_help()
            return 0
        raise UsageProblem("`ktrial history` knows one thing to do.", mend="Write ktrial history export RUN.")
    asked = parser.parse_args(arguments[1:])
    run = find_run(asked.run, asked.runs)
    _export(run, _chosen(run, asked.setting), asked.output)
    return 0


def _chosen(run: RunFolder, asked: Sequence[str]) -> list[KeptHistory]:
    """Return the histories of a run that the names mean; raises UsageProblem for one that means none."""
    kept = run.histories()
    if not kept:
        raise UsageProblem(f"The run {run.path} has kept no history.", mend="Name another run.")
    if not asked:
        return list(kept)
    chosen: dict[str, KeptHistory] = {}
    for name in asked:
        wanted = [safe_name(part) for part in name.split("/")]
        found = [each for each in kept if _means(wanted, each.place.split("/"))]
        if not found:
            places = [each.place for each in kept]
            mend = nearest(name, places) or f"It has kept {', '.join(places)}."
            raise UsageProblem(f"The run {run.path.name} has no setting {name!r}.", mend=mend)
        chosen |= {each.place: each for each in found}
    return list(chosen.values())


def _means(wanted: Sequence[str], place: Sequence[str]) -> bool:
    """Whether names are a part of lab/trial/setting that lies together."""
    return any(list(place[n : n + len(wanted)]) == list(wanted) for n in range(len(place)))


def _export(run: RunFolder, chosen: Sequence[KeptHistory], output: Path | None) -> None:
    from ktrial.history.tables import History  # noqa: PLC0415 - slow to import; the arguments come first

    if len(chosen) == 1:
        loaded = History.load(chosen[0].folder)
        if output is None or output == Path("-"):
            loaded.write_ndjson(sys.stdout.buffer)
            return
        loaded.write_ndjson(output / _file_name(chosen[0]) if output.is_dir() else output)
        return
    if output is None or (output.exists() and not output.is_dir()):
        places = "\n".join(f"  {each.place}" for each in chosen)
        raise UsageProblem(
            f"The run {run.path.name} has {len(chosen)} histories, each for itself:\n{places}\n",
            mend="Name one of them after the run, or a folder for all: --output FOLDER.",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(
            f"The folder {output} cannot be made: {error.strerror}.", mend="Name another: --output FOLDER."
        ) from error
    for each in chosen:
        file = output / _file_name(each)
        History.load(each.folder).write_ndjson(file)
        sys.stdout.write(f"{file}\n")


def _file_name(kept: KeptHistory) -> str:
    return kept.place.replace("/", ".") + ".ndjson"


def _read(name: str) -> History:
    """Return the history of a file, standard input, a setting's folder, or a run that has only one."""
    from ktrial.history.tables import History  # noqa: PLC0415 - slow to import; the arguments come first

    path = STANDARD_INPUT if name == "-" else Path(name)
    if not path.is_dir():
        return History.read_ndjson(path)
    if holds_history(path):
        return History.load(path)
    kept = RunFolder(path).histories()
    if len(kept) == 1:
        return History.load(kept[0].folder)
    places = "\n".join(f"  {each.folder}" for each in kept)
    told = f"{path} has {len(kept)} histories:\n{places}\n" if kept else f"There is no history in {path}."
    raise UsageProblem(
        told, mend="Name one of them." if kept else "Name an NDJSON file, or a folder of a run."
    )


def _told(judgement: Judgement, language: Language) -> list[str]:
    """Return the judgement as lines for people."""
    from ktrial.report.words import columns, sign, verdict_word, word  # noqa: PLC0415 - not needed for --json

    mark = f"{sign(judgement.verdict, sys.stdout.encoding)} {verdict_word(judgement.verdict, language)}"
    lines = [f"{mark}: {judgement.summary.pick(language)}"]
    lines += [f"  {each.kind} {each.count}: {each.sentence.pick(language)}" for each in judgement.anomalies]
    lines += [f"  {word('doubt', language)}: {doubt.pick(language)}" for doubt in judgement.doubts]
    numbers = [(name, _shown(value)) for name, value in judgement.measured.items()]
    return lines + [f"  {line}" for line in columns(numbers)]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
