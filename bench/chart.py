"""Draws docs/performance.svg from build/reports/drain.json, beside what the original service took.

python bench/chart.py build/reports/drain.json docs/performance.svg
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path

# The original on an older machine of the same size: 2,000,000 events of 543 bytes, to MinIO.
ORIGINAL = {"seconds": 49.0, "cpu_seconds_a_gb": 34.6 / 1.086, "peak_mb": 3300.0}
PANELS = {
    "seconds": "seconds to drain",
    "cpu_seconds_a_gb": "CPU seconds a GB",
    "peak_mb": "peak memory, MB",
}
FOOTNOTE = "The original ran on an older machine of the same size, some 1.4 times as slow."
COLOURS = {"original": "#9aa5b1", "bronze": "#b87333", "bare loop": "#3e6c8f"}
WIDTH, ROW, LABEL, BAR = 720, 26, 90, 520


def figures(report: dict) -> dict[str, dict[str, float]]:
    payload_gb = report["payload_bytes"] / 1e9

    def of(run: dict) -> dict[str, float]:
        return {
            "seconds": run["seconds"],
            "cpu_seconds_a_gb": run["cpu_seconds"] / payload_gb,
            "peak_mb": run["peak_mb"],
        }

    medians = report["medians"]
    return {
        "original": ORIGINAL,
        "bronze": of(medians["MinIO"]),
        "bare loop": of(medians["bare loop"]),
    }


def draw(rows: dict[str, dict[str, float]]) -> str:
    lines: list[str] = []
    y = 0
    for key, title in PANELS.items():
        y += 30
        lines.append(f'<text x="0" y="{y}" font-weight="bold">{escape(title)}</text>')
        greatest = max(of[key] for of in rows.values())
        for name, of in rows.items():
            y += ROW
            length = max(1.0, of[key] / greatest * BAR)
            middle = y - 5
            lines += [
                f'<text x="0" y="{middle}">{escape(name)}</text>',
                f'<rect x="{LABEL}" y="{y - 18}" width="{length:.1f}" height="18" '
                f'fill="{COLOURS[name]}"/>',
                f'<text x="{LABEL + length + 6:.1f}" y="{middle}">{of[key]:,.1f}</text>',
            ]
        y += 12
    y += ROW
    lines.append(f'<text x="0" y="{y - 5}" font-style="italic">{escape(FOOTNOTE)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -4 {WIDTH} {y + 8}" '
        'font-family="sans-serif" font-size="13" fill="currentColor">'
    )
    return "\n".join([head, *lines, "</svg>"]) + "\n"


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    target.write_text(draw(figures(json.loads(source.read_text()))))


if __name__ == "__main__":
    main()
