"""The list of faults names tests that exist, and leaves no row without one."""

from __future__ import annotations

import rows


def test_what_is_named_exists():
    assert not rows.missing()


def test_every_row_has_a_test():
    here = rows.marked()
    assert not [row for row in rows.FAULTS if not here[row] and not rows.ELSEWHERE.get(row)]


def test_the_document_has_the_same_table():
    assert rows.in_document() == rows.as_markdown(), (
        "python tests/faults/rows.py prints the new one"
    )
