"""When a run is no ground for a verdict, and what the evidence says when it is."""

from __future__ import annotations

import json

import pytest
from tests.judges.playing import END_T, FINAL, Playing, clean

from ktrial.errors import UsageProblem
from ktrial.history.tables import History
from ktrial.judges import everything, in_order, nothing_lost, nothing_missing, stays_in_sync, writes_continue
from ktrial.verdict import BROKEN, HELD, INCONCLUSIVE

SECOND = 1_000_000_000


def killed_leader() -> Playing:
    """Return lab 3's story: 700 acknowledged, the leader killed, and its successor ends at offset 100 or so."""
    playing = Playing()
    for t, leader in ((0, 2), (1_320_000_000, 3)):
        playing.add("leaders", t=t, actor="observer", topic="orders", partition=0, leader=leader, epoch=t)
    for record in range(700):
        at = record * 1_000_000 + 1_087_000_000 if record < 600 else 2 * SECOND + record
        offset = record if record < 600 else record - 500
        playing.called(record, at - 1000).acked(record, offset, at)
    playing.fault("kill", "broker-2", injected=1_310_000_000, landed=1_311_000_000, healed=3 * SECOND)
    for offset, record in enumerate((*range(100), *range(600, 700))):
        playing.read(record, offset, t=4 * SECOND + offset)
    return playing.ended(200, t=5 * SECOND)


def test_the_first_loss_is_told_as_a_story() -> None:
    """The sentence names the record, who acknowledged it and when, that broker's end, and where its successor ends."""
    judgement = nothing_lost()(killed_leader().history())
    assert judgement.verdict == BROKEN
    assert judgement.measured["lost"] == 500
    assert {anomaly.kind: anomaly.count for anomaly in judgement.anomalies} == {
        "lost": 100,
        "lost_tail": 400,
        "overwritten": 100,
    }
    assert judgement.anomalies[0].sentence.en == (
        "100 of 700 acknowledged records are gone. First: record 100, partition 0, offset 100, acknowledged by broker 2"
        " at 1.187 s; broker 2 was killed at 1.310 s; the new leader, broker 3, ends at offset 200 without it."
    )
    assert judgement.anomalies[0].sentence.ko == (
        "승인된 메시지 700개 중 100개가 사라졌습니다. 첫 사례: 메시지 100, 파티션 0, 오프셋 100, "
        "1.187초에 브로커 2 승인; 브로커 2는 1.310초에 강제 종료됨; "
        "새 리더 브로커 3의 로그는 이 메시지 없이 오프셋 200에서 끝남."
    )
    assert judgement.summary.en.startswith("500 of 700 acknowledged records are gone")
    assert judgement.anomalies[0].examples[0]["acknowledged_by"] == 2


def test_a_judgement_is_plain_json() -> None:
    """The judgement's JSON has the contract's fields, and nothing that JSON does not know."""
    said = json.loads(json.dumps(nothing_lost()(killed_leader().history()).as_json()))
    assert set(said) == {"verdict", "measured", "anomalies", "doubts", "summary"}
    assert set(said["anomalies"][0]) == {"kind", "count", "examples", "sentence", "breaks"}
    assert len(said["anomalies"][0]["examples"]) == 32


def doubted(playing: Playing, words: str) -> None:
    """Demand that a run is inconclusive, and for this reason alone."""
    judgement = nothing_lost()(playing.history())
    assert judgement.verdict == INCONCLUSIVE
    assert [words in doubt.en for doubt in judgement.doubts] == [True]
    assert judgement.summary.en.startswith("Nothing can be concluded")


def test_an_empty_history_proves_nothing() -> None:
    """Where nothing was sent, nothing can be concluded."""
    judgement = everything()(History.of())
    assert judgement.verdict == INCONCLUSIVE
    assert judgement.anomalies == ()


def test_nothing_acknowledged_proves_nothing() -> None:
    """A run in which every send failed is no proof that nothing is lost."""
    playing = clean()
    for row in playing.rows["completions"]:
        row |= {"outcome": "failed", "topic": None, "partition": None, "offset": None}
    playing.rows["reads"] = []
    doubted(playing, "No record was acknowledged")


def test_unknown_sends_that_arrived_are_a_run() -> None:
    """A tool that tells nothing of its sends gives a verdict all the same: they are in the log."""
    playing = clean()
    playing.rows["completions"] = []
    assert nothing_lost()(playing.history()).verdict == HELD


def test_without_an_end_there_is_no_verdict() -> None:
    """A log that nobody read to its end is a doubt, and its records are unseen, not lost."""
    playing = clean()
    playing.rows["ends"] = []
    doubted(playing, "Nobody read the log to its end")


def test_a_partition_without_an_end_is_a_doubt() -> None:
    """Acknowledged records on a partition that was not read to its end are unseen."""
    playing = clean()
    playing.rows["ends"].pop()
    judgement = nothing_lost()(playing.history())
    assert judgement.verdict == INCONCLUSIVE
    assert judgement.measured["unseen"] == 6
    assert "Partition 1 of orders" in judgement.doubts[0].en


def test_a_fault_must_land() -> None:
    """A fault that was injected and never seen to take effect is a doubt."""
    doubted(clean().fault("kill", "broker-1", injected=50, healed=90), "landed")


@pytest.mark.parametrize("healed", [{}, {"healed": END_T + 1}])
def test_a_fault_must_be_healed_before_the_final_read(healed: dict[str, int]) -> None:
    """A fault that lasts, or that was healed after the log was read, is a doubt."""
    doubted(clean().fault("pause", "broker-1", injected=50, landed=60, **healed), "was not healed")


def test_faults_on_one_target_are_told_apart() -> None:
    """Of two faults on one broker, each needs its own landing."""
    playing = clean().fault("kill", "broker-1", injected=50, landed=60, healed=70)
    assert nothing_lost()(playing.history()).verdict == HELD
    doubted(playing.fault("kill", "broker-1", injected=80, healed=90), "landed")


def test_an_isr_that_stays_small_is_a_doubt() -> None:
    """The final read is sound only once all replicas are in sync again."""
    playing = clean()
    for t, isr in enumerate(([1, 2, 3], [1, 2])):
        playing.add("isrs", t=t, actor="observer", topic="orders", partition=0, isr=isr)
    doubted(playing, "2 of 3 replicas in sync")


def test_a_death_voids_claims_about_time_but_not_about_loss() -> None:
    """When a broker died by itself, refused writes and a small ISR prove nothing; a lost record is lost."""
    playing = clean().add("brokers", t=60, actor="observer", broker=2, state="died")
    playing.called(99, 5000).told(99, "failed", 5001, error="NOT_ENOUGH_REPLICAS_AFTER_APPEND")
    for t, isr in enumerate(([1, 2, 3], [1, 3], [1, 2, 3])):
        playing.add("isrs", t=t, actor="observer", topic="orders", partition=0, isr=isr)
    for claim in (writes_continue(), stays_in_sync(), nothing_lost()):
        judgement = claim(playing.history())
        assert judgement.verdict == INCONCLUSIVE
        assert "Broker 2 died" in judgement.doubts[0].en
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["id"] != 4]
    assert nothing_lost()(playing.history()).verdict == BROKEN


def test_below_the_log_start_is_not_lost() -> None:
    """Records that retention removed are neither lost nor a doubt."""
    playing = clean(partitions=1)
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["offset"] >= 3]
    playing.rows["ends"][0]["log_start"] = 3
    judgement = nothing_lost()(playing.history())
    assert (judgement.verdict, judgement.measured["below_log_start"]) == (HELD, 3)


def test_only_the_last_time_through_decides() -> None:
    """What the final reader found the first time, and no more the second time, is gone."""
    playing = clean(partitions=1)
    playing.ended(12, t=END_T + 100)
    for record in range(12):
        if record != 4:
            playing.read(record, record, t=END_T + 10 + record)
    judgement = everything()(playing.history())
    assert {anomaly.kind for anomaly in judgement.anomalies} == {"lost", "skipped"}


def test_records_of_an_aborted_transaction_are_rightly_hidden() -> None:
    """A committed read need not find what a transaction aborted, nor what may yet be decided."""
    playing = clean(partitions=1)
    for row in (*playing.rows["reads"], *playing.rows["ends"]):
        row["isolation"] = "read_committed"
    for record, txn, outcome in ((4, "one", "aborted"), (5, "two", "unknown")):
        playing.rows["calls"][record]["txn"] = txn
        playing.add("txns", t=5000, actor="producer", outcome=outcome, txn=txn, transactional_id="shop")
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["id"] not in {4, 5}]
    judgement = nothing_lost()(playing.history())
    assert (judgement.verdict, judgement.measured["lost"]) == (INCONCLUSIVE, 0)
    assert (judgement.measured["aborted"], judgement.measured["unseen"]) == (1, 1)


def test_an_id_used_twice_is_a_broken_history() -> None:
    """Two calls of one id are refused, whether ids are close together or far apart."""
    for record in (4, 2**62):
        playing = clean().called(record, 9000)
        with pytest.raises(UsageProblem, match=f"record {record} was called twice"):
            nothing_lost()(playing.called(record, 9001).history())


def test_an_outcome_without_a_call_counts_as_sent() -> None:
    """An acknowledgement whose call nobody wrote down is judged like any other; its read is no phantom."""
    playing = clean(partitions=1)
    playing.rows["calls"].pop(4)
    assert nothing_lost()(playing.history()).verdict == HELD
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["id"] != 4]
    judgement = nothing_missing()(playing.history())
    assert (judgement.verdict, judgement.measured["lost"], judgement.measured["sent"]) == (BROKEN, 1, 12)


def test_partitions_may_have_any_numbers() -> None:
    """Partition numbers far apart are judged like those close together, and told as they are."""
    playing = clean(partitions=2)
    playing.rows["reads"] = [row for row in playing.rows["reads"] if row["id"] != 5]
    for row in (*playing.rows["completions"], *playing.rows["reads"], *playing.rows["ends"]):
        row["partition"] *= 2_000_000_000
    judgement = everything()(playing.told(99, "unknown", 9000).called(99, 8000).history())
    assert {anomaly.kind: anomaly.count for anomaly in judgement.anomalies} == {"lost": 1, "unknown_tally": 1}
    assert "record 5, partition 2000000000, offset 2" in judgement.anomalies[0].sentence.en


def test_sends_at_one_time_have_no_order() -> None:
    """Calls with the same t may lie in the log in any order."""
    playing = clean(partitions=1)
    for row in playing.rows["calls"]:
        row["t"] = 0
    for row in playing.rows["reads"]:
        row["offset"] = 11 - row["offset"]
    for row in playing.rows["completions"]:
        row["offset"] = 11 - row["offset"]
    assert in_order()(playing.history()).verdict == HELD


def test_a_claim_must_name_a_kind_that_can_break() -> None:
    """An unknown kind is refused with the nearest names; one that never breaks is refused, too."""
    with pytest.raises(UsageProblem, match="Did you mean duplicate"):
        everything(["duplicates"])
    with pytest.raises(UsageProblem, match="cannot be claimed"):
        everything(["unknown_tally"])


def test_rows_in_any_order_give_the_same_judgement() -> None:
    """The order of rows carries no meaning."""
    history = killed_leader().history()
    shuffled = History.of(
        **{name: frame.sample(fraction=1.0, shuffle=True, seed=7) for name, frame in history.tables().items()}
    )
    assert everything()(shuffled) == everything()(history)


def test_replacing_the_final_reader_changes_nothing_for_others() -> None:
    """A record that a watcher saw, and the final reader did not, is lost all the same."""
    playing = clean()
    playing.rows["reads"] = [row for row in playing.rows["reads"] if (row["actor"], row["id"]) != (FINAL, 4)]
    assert nothing_lost()(playing.history()).measured["lost"] == 1
