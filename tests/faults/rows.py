"""Which tests are about which row of the list of faults.

A test of this folder says so itself, by `@pytest.mark.row(7)`, or is named here like those of other
suites. The sheer numbers of kills, stops and wrong answers are in docs/guarantees.md.

report.py puts them, with the result of a full run, into the table of docs/guarantees.md.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "guarantees.md"

FAULTS = {
    1: "`kill -9` at every kill point, and at random",
    2: "SIGTERM; a second one; SIGTERM while the store is down",
    3: "a process that was stopped commits late, another has committed",
    4: "the same, the other has not committed",
    5: "a commit succeeds, its answer is lost, wrong or late",
    6: "409 on create, nothing landed",
    7: "503 and 429, outages, 5 s latency, 1 KB/s",
    8: "403, expired credentials, no bucket, a store that ignores If-None-Match",
    9: "the store is killed; the disk is full, or read-only",
    10: "brokers restart, leaders move, no broker for minutes",
    11: "retention overtakes us; topics created again; partitions added",
    12: "rebalance storm",
    13: "aborted and open transactions, control records at the end, compacted topics",
    14: "a damaged log; a table dropped or created again underneath",
    15: "others append, OPTIMIZE, VACUUM, DELETE, checkpoint",
    16: "others change the schema, the partitioning, the protocol, the properties",
    17: "the clock jumps",
    18: "bad records at every place of a batch",
    19: "odd and large records, small memory",
    20: "three instances start at once on an empty store",
}

# Row -> file -> words that begin the names of its tests.
ELSEWHERE: dict[int, dict[str, list[str]]] = {
    1: {
        "tests/faults/test_mass.py": ["test_the_numbers_of_a_full_run"],
        "tests/faults/test_kills.py": ["test_killed_at_every"],
        "tests/integration/test_crash.py": ["test_a_kill_at", "test_kills_at_random_moments"],
    },
    2: {
        "tests/faults/test_instances.py": ["test_sigterm", "test_a_second_sigterm"],
        "tests/integration/test_end_to_end.py": ["test_what_is_held_at_sigterm_is_written"],
        "tests/integration/test_cli.py": ["test_a_second_signal_ends_at_once", "test_sigint"],
        "tests/integration/test_restarts.py": ["test_sigterm_while_the_store_is_down"],
    },
    3: {
        "tests/faults/test_zombies.py": ["test_an_heir_has_committed"],
        "tests/integration/test_rebalance.py": ["test_a_frozen_instance_is_fenced"],
    },
    4: {"tests/faults/test_zombies.py": ["test_the_commit_lands_before"]},
    5: {"tests/faults/test_answers.py": ["test_done_but_the_answer_says_otherwise"]},
    6: {
        "tests/faults/test_answers.py": ["test_a_409_of_which"],
        "bridge/src/store/tests.rs": ["http_answers_have_the_right_status"],
    },
    7: {"tests/integration/test_restarts.py": ["test_a_store_outage", "test_a_store_that_comes"]},
    8: {
        "tests/integration/test_cli.py": ["test_a_missing_bucket", "test_a_wrong_key"],
        "tests/integration/test_offsets.py": ["test_a_bucket_that_is_removed"],
        "tests/integration/test_store_credentials.py": [
            "test_credentials_that_end_before_their_time",
            "test_what_is_wrong_is_named",
        ],
        "bridge/src/store/tests.rs": [
            "expired_credentials_are_denied",
            "a_store_that_overwrites_is_unsupported",
            "a_store_without_conditional_puts",
        ],
    },
    9: {"bridge/src/store/tests.rs": ["a_read_only_directory_is_denied"]},
    10: {
        "tests/integration/test_restarts.py": [
            "test_a_broker_restart",
            "test_a_broker_that_dies",
            "test_a_frozen_broker",
            "test_a_broker_that_comes_late",
        ]
    },
    11: {
        "tests/integration/test_topics.py": ["test_partitions_that_are_added", "test_a_topic"],
        "tests/integration/test_discovery.py": ["test_a_deleted_topic"],
        "tests/integration/test_policies.py": ["test_lost_records", "test_a_topic_that_is_created"],
    },
    12: {
        "tests/faults/test_mass.py": ["test_a_little_of_everything"],
        "tests/integration/test_rebalance.py": ["test_a_rebalance_storm", "test_instances_join"],
    },
    13: {"tests/integration/test_end_to_end.py": ["test_aborted_and_open_transactions"]},
    14: {
        "bridge/src/table/tests.rs": [
            "a_dangling_hint_is_corrupt",
            "a_garbage_hint",
            "a_missing_log_entry",
            "a_truncated_checkpoint",
            "a_malformed_log_entry",
        ],
        "tests/integration/test_takeover.py": ["test_a_table_that_lost_its_progress"],
    },
    15: {
        "tests/integration/test_conflicts.py": [
            "test_a_foreign_appender",
            "test_optimize_and_checkpoints",
            "test_rows_deleted_by_others",
        ]
    },
    16: {
        "tests/integration/test_lanes.py": ["test_a_table_of_the_wrong_kind"],
        "tests/integration/test_extra_columns.py": [
            "test_columns_that_are_added",
            "test_other_columns_are_refused",
        ],
        "tests/unit/resolve_test.cpp": ["RefusalOf"],
    },
    17: {"tests/integration/test_dates.py": ["test_a_batch_over_midnight"]},
    18: {"tests/integration/test_lanes.py": ["test_an_undecodable_value"]},
    19: {
        "tests/integration/test_end_to_end.py": ["test_every_record_lands_once"],
        "tests/integration/test_columns.py": ["test_kafka_timestamps", "test_values_and_tomb"],
        "tests/unit/decoder_test.cpp": ["Decoder"],
    },
    20: {
        "tests/faults/test_instances.py": ["test_three_instances"],
        "tests/integration/test_rebalance.py": ["test_three_instances_start_at_once"],
    },
}

# Of the table in the document.
HEAD = "| # | fault | tests | last full run | seconds |"

ROW = re.compile(r"mark\.row\(([\d, ]+)\)")
DEFINED = re.compile(r"^(?:def |fn |TEST(?:_F|_P)?\()(\w+)", re.M)


def tests_in(file: Path) -> list[str]:
    return DEFINED.findall(file.read_text())


def missing() -> list[str]:
    """What ELSEWHERE names and is not there."""
    return [
        f"row {row}: {file}: {name}"
        for row, files in ELSEWHERE.items()
        for file, names in files.items()
        for name in names
        if not any(test.startswith(name) for test in tests_in(ROOT / file))
    ]


def marked() -> dict[int, list[str]]:
    """Row -> tests of this folder that bear its mark, or whose file does."""
    found: dict[int, list[str]] = {row: [] for row in FAULTS}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        text = file.read_text()
        whole = re.search(r"^pytestmark = pytest\.mark\.row\(([\d, ]+)\)", text, re.M)
        for block in re.split(r"\n\n\n", text):
            name = re.search(r"^def (test_\w+)", block, re.M)
            numbers = ROW.findall(block) or ([whole[1]] if whole else [])
            if name:
                for number in ",".join(numbers).split(","):
                    if number.strip():
                        found[int(number)].append(f"{file.name}: {name[1]}")
    return found


def of_run(row: int, names: list[str]) -> list[str]:
    """Those tests of a run that are about the row, of this folder; with their parameters."""
    here = {place.partition(": ")[2] for place in marked()[row]}
    for file, beginnings in ELSEWHERE.get(row, {}).items():
        if file.startswith("tests/faults/"):
            named = tests_in(ROOT / file)
            here |= {test for test in named if test.startswith(tuple(beginnings))}
    return [name for name in names if name.partition("[")[0] in here]


def tests_of(row: int) -> str:
    files = {f"faults/{place.partition(':')[0]}" for place in marked()[row]}
    files |= {file.removeprefix("tests/") for file in ELSEWHERE.get(row, {})}
    return ", ".join(f"`{file}`" for file in sorted(files))


def in_document() -> dict[int, list[str]]:
    """Row -> the other cells of the table in docs/guarantees.md."""
    text = DOCUMENT.read_text()
    table = text[text.index(HEAD) :].partition("\n\n")[0].splitlines()[2:]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table if line[0] == "|"
    ]
    return {int(number): others for number, *others in cells}
