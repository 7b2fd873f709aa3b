"""Which rows of the acceptance checklist the last test run proved; `make spec` runs it.

    python tools/spec.py [--update]

A row is proved when at least one test marked with it passed and none failed. Prints the rows without a proof, by
section, and exits 1 when a row of `tests/proved_rows.txt` (proved before) is not proved now. `--update` enters newly
proved rows there. Rows whose tests were all left out of the run (`-m "not slow"`) are listed as such, without failing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROWS = "tests/spec_rows.txt"
PROVED = "tests/proved_rows.txt"
LAST = ".spec/last.json"

_HEADING = re.compile(r"\[(\w+)\] (.+)")
_ROW = re.compile(r"(\d+) (.+)")


class Row(NamedTuple):
    """One row of the checklist."""

    number: int
    title: str
    section: str


@dataclass
class Verdict:
    """What a run says of the checklist: row numbers by what became of them."""

    proved: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    left_out: set[int] = field(default_factory=set)

    def lost(self, before: Iterable[int]) -> list[int]:
        """The rows of `before` that this run should have proved and did not."""
        return sorted(set(before) - self.proved - self.left_out)


def read_rows(text: str) -> list[Row]:
    """The checklist; raises `ValueError` for a line that is no heading, row, comment or blank."""
    rows: list[Row] = []
    section = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        if heading := _HEADING.fullmatch(line):
            section = f"{heading[1]}. {heading[2]}"
        elif row := _ROW.fullmatch(line):
            rows.append(Row(int(row[1]), row[2], section))
        else:
            raise ValueError(f"neither a row nor a heading: {line!r}")
    return rows


def read_proved(text: str) -> list[int]:
    """The numbers in the file of proved rows: one or more a line, `#` begins a comment."""
    return sorted({int(word) for line in text.splitlines() for word in line.partition("#")[0].split()})


def judge(rows: Mapping[str, Mapping[str, list[str]]]) -> Verdict:
    """What became of each marked row, from the record of a run."""
    verdict = Verdict()
    for number, outcomes in rows.items():
        if outcomes.get("failed"):
            verdict.failed.add(int(number))
        elif outcomes.get("passed"):
            verdict.proved.add(int(number))
        elif outcomes.get("skipped"):
            verdict.skipped.add(int(number))
        else:
            verdict.left_out.add(int(number))
    return verdict


def report(rows: list[Row], verdict: Verdict, before: list[int]) -> str:
    """The rows without a proof, by section, and the sums."""
    lines = []
    for section in dict.fromkeys(row.section for row in rows):
        inside = [row for row in rows if row.section == section]
        missing = [row for row in inside if row.number not in verdict.proved]
        lines.append(f"{section}: {len(inside) - len(missing)} of {len(inside)} proved")
        lines.extend(f"  {row.number:>4} {row.title}{_why(row.number, verdict, before)}" for row in missing)
    lines.append(f"proved: {len(verdict.proved)} of {len(rows)} rows")
    return "\n".join(lines)


def _why(number: int, verdict: Verdict, before: list[int]) -> str:
    if number in verdict.failed:
        return "   ← a test FAILED"
    if number in verdict.skipped:
        return "   ← its tests were skipped"
    if number in verdict.left_out:
        return "   ← its tests were left out of this run"
    return "   ← was proved before, no test now" if number in before else ""


def main(arguments: list[str], root: Path) -> int:
    """Prints the report; returns the exit code."""
    rows = read_rows((root / ROWS).read_text())
    try:
        record: dict[str, Any] = json.loads((root / LAST).read_text())
    except FileNotFoundError:
        print(f"{LAST} is missing: run the tests first", file=sys.stderr)
        return 2
    path = root / PROVED
    before = read_proved(path.read_text()) if path.exists() else []
    verdict = judge(record["rows"])
    print(report(rows, verdict, before))
    lost = verdict.lost(before)
    if lost:
        print(f"proved before and not in this run: {', '.join(map(str, lost))}")
        print(f"(that run: pytest {' '.join(record['arguments'])})")
    new = sorted(verdict.proved - set(before))
    if new and "--update" in arguments:
        path.write_text(_write_proved(rows, verdict.proved | set(before)))
        print(f"entered in {PROVED}: {', '.join(map(str, new))}")
    elif new:
        print(f"newly proved (`make spec UPDATE=1` enters them): {', '.join(map(str, new))}")
    return 1 if lost else 0


def _write_proved(rows: list[Row], proved: set[int]) -> str:
    lines = ["# Rows of the acceptance checklist that tests have proved. `make spec` fails when one is lost again."]
    for section in dict.fromkeys(row.section for row in rows):
        numbers = [str(row.number) for row in rows if row.section == section and row.number in proved]
        if numbers:
            lines += [f"# {section}", " ".join(numbers)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent.parent))
