"""`ktrial run`: plans what was asked, shows it while it goes on, writes the reports."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from ktrial.cli.arguments import Parser
from ktrial.errors import UsageProblem

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ktrial.cli.choose import Plan
    from ktrial.report.screen import Screen
    from ktrial.results import RunResult

DEFAULT_SEED = 7
LARGEST_SEED = 2**63 - 1


def run(arguments: list[str]) -> int:
    """`run [LAB|TRIAL ...]`: exit status 0 when all is as predicted, 1 when not, 2 when inconclusive."""
    asked = _parser().parse_args(arguments)
    overrides = read_overrides(asked.override)
    if asked.seed < 0 or asked.seed > LARGEST_SEED:
        raise UsageProblem(f"The seed {asked.seed} is out of range.", mend=f"It may be 0 to {LARGEST_SEED}.")
    if asked.predict and not sys.stdin.isatty():
        raise UsageProblem(
            "--predict asks questions, and standard input is no terminal.", mend="Leave --predict out."
        )

    from ktrial.cli.choose import make_plan  # noqa: PLC0415 - arguments are checked before anything slow
    from ktrial.labs import LABS  # noqa: PLC0415

    return _play(asked, make_plan(asked.what, LABS), overrides)


def _play(asked: argparse.Namespace, plan: Plan, overrides: dict[str, str]) -> int:
    from ktrial import runner  # noqa: PLC0415 - slow to import
    from ktrial.cli.predict import Predictions  # noqa: PLC0415
    from ktrial.feed import Feed  # noqa: PLC0415
    from ktrial.report.files import write_reports  # noqa: PLC0415
    from ktrial.report.screen import Screen  # noqa: PLC0415
    from ktrial.report.terminal import Watcher  # noqa: PLC0415

    screen = Screen(as_json=asked.json)
    watcher = Watcher(screen, asked.lang, sum(len(trial.settings) for _, trials in plan for trial in trials))
    feed = Feed()
    feed.listen(watcher)
    predictions = Predictions(plan, screen, asked.lang) if asked.predict else None
    if predictions:
        feed.listen(predictions)
    options = runner.RunOptions(
        runs=asked.runs,
        seed=asked.seed,
        overrides=overrides,
        language=asked.lang,
        side_by_side=not asked.predict,
    )
    with screen.live(watcher.draw):
        result = runner.run(plan, options, feed)
    if predictions:
        result = dataclasses.replace(result, score=predictions.score(result))
    write_reports(result, asked.lang)
    _tell(asked, result, screen)
    return result.exit_status


def _tell(asked: argparse.Namespace, result: RunResult, screen: Screen) -> None:
    from ktrial.report.ending import show_ending  # noqa: PLC0415 - slow to import

    show_ending(result, screen, asked.lang)
    if asked.json:
        sys.stdout.write(json.dumps(result.as_json(), ensure_ascii=False, indent=2) + "\n")


def read_overrides(given: Sequence[str]) -> dict[str, str]:
    """Return what `-X name=value` says; raises UsageProblem for one without a name or a value."""
    overrides = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise UsageProblem(
                f"-X {each} sets nothing.", mend="Write -X name=value, for instance -X acks=1."
            )
        overrides[name.strip()] = value.strip()
    return overrides


def _parser() -> Parser:
    parser = Parser("run", "Put labs and trials on real brokers, and judge what happened.")
    parser.add_argument(
        "what",
        nargs="*",
        metavar="LAB|TRIAL",
        help="number, name or lab/trial, also several; default: the course",
    )
    parser.with_language().with_runs()
    parser.add_argument(
        "--predict", action="store_true", help="asks for your prediction of each trial, and scores it"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, metavar="N", help="of the workload (default: 7)"
    )
    parser.add_argument("--json", action="store_true", help="only the report, as JSON")
    parser.add_argument(
        "-X",
        dest="override",
        action="append",
        default=[],
        metavar="name=value",
        help="a topic, broker or producer setting for all trials: what would I lose with mine?",
    )
    return parser
