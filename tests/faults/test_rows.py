"""The list of faults names tests that exist, and leaves no row without one."""

from __future__ import annotations

import re

import report
import rows


def test_what_is_named_exists():
    assert not rows.missing()


def test_every_row_has_a_test():
    here = rows.marked()
    assert not [row for row in rows.FAULTS if not here[row] and not rows.ELSEWHERE.get(row)]


def test_no_two_tests_have_the_same_name():
    files = sorted(rows.Path(__file__).parent.glob("test_*.py"))
    names = [name for file in files for name in rows.tests_in(file) if name.startswith("test_")]
    assert len(names) == len(set(names))


def test_the_document_has_every_row_and_its_result():
    written = rows.in_document()
    assert set(written) == set(rows.FAULTS)
    for row, (fault, tests, result, seconds) in written.items():
        assert (fault, tests) == (rows.FAULTS[row], rows.tests_of(row)), AGAIN
        passed = re.fullmatch(r"(\d+) of (\d+) passed", result)
        assert passed and passed[1] == passed[2] != "0", (row, result)
        assert seconds.isdigit(), (row, seconds)


AGAIN = "python tests/faults/report.py build/reports/faults.json docs/guarantees.md writes it anew"


def test_every_row_gets_the_result_of_its_tests():
    content = {
        "tests": [
            {"name": "test_sigterm_writes_what_was_read", "outcome": "passed", "seconds": 2.4},
            {"name": "test_a_second_sigterm_ends_at_once", "outcome": "failed", "seconds": 1.0},
            {"name": "test_a_409_of_which_nothing[x]", "outcome": "passed", "seconds": 9.0},
        ]
    }
    lines = report.row_by_row(content)
    assert len(lines) == 2 + len(rows.FAULTS)
    assert lines[3].startswith("| 2 |") and lines[3].endswith("| 1 of 2 passed | 3 |")
    assert lines[4].endswith("| 0 of 0 passed | 0 |")
