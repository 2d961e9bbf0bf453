#!/usr/bin/env python3
"""Markdown tables and a picture (bars) of what bench/peers.py measured.

    python3 bench/peers_report.py RESULTS TABLES.md PICTURE.svg

Seconds are medians of each row's last five rounds, ratios medians of the rounds' own: the row's first Latent to the peer.
"""
import json, statistics, sys
from pathlib import Path

ROUNDS = 5
COLOURS = {"Latent": "#d9480f", "OpenVINO": "#4c6ef5", "PyTorch": "#868e96"}
WIDTH, LABEL, BAR, GAP = 760, 250, 18, 10  # pixels; a bar with what is between it and the next; between rows
MODULES = {"U-Net": "U-Net step, s", "VAE decoder": "VAE decoder, s", "picture": "a whole picture, s"}


def rows_of(rounds):
    """Row -> {who: {module: (seconds, Latent's ratio to it)}}."""
    rows = {}
    for r in rounds: rows.setdefault(r["row"], []).append(r["took"])
    return {row: {(program, precision): {module: figures(all_took[-ROUNDS:], i, module) for module in took}
                  for i, (program, precision, _, took) in enumerate(all_took[-1])} for row, all_took in rows.items()}


def figures(rounds, i, module):
    middle = lambda values: statistics.median(list(values))
    return middle(r[i][3][module] for r in rounds), middle(r[0][3][module] / r[i][3][module] for r in rounds)


def table(rows, modules):
    lines = ["| | | " + " | ".join(f"{MODULES[m]} | Latent to it" for m in modules) + " |", "|---" * (2 + 2 * len(modules)) + "|"]
    for row, who in rows.items():
        for i, ((program, precision), took) in enumerate(who.items()):
            cells = [f"{took[m][0]:.2f} | " + ("" if program == "Latent" else f"{took[m][1]:.2f}") for m in modules]
            lines.append(f"| {'' if i else row} | {program} {precision} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bars(rows, module, top):
    """SVG elements of a module's bars, and where they end."""
    out = [f'<text x="8" y="{top + 14}" font-weight="bold">{MODULES[module]}</text>']
    longest = max(took[module][0] for who in rows.values() for took in who.values())
    y = top + 26
    for row, who in rows.items():
        out.append(f'<text x="8" y="{y + 12}">{row}</text>')
        for (program, precision), took in who.items():
            seconds = took[module][0]
            length = seconds / longest * (WIDTH - LABEL - 60)
            out.append(f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end">{program} {precision}</text>'
                       f'<rect x="{LABEL}" y="{y + 1}" width="{length:.1f}" height="{BAR - 4}" fill="{COLOURS[program]}"/>'
                       f'<text x="{LABEL + length + 4:.1f}" y="{y + 12}">{seconds:.2f}</text>')
            y += BAR
        y += GAP
    return out, y + GAP


def main():
    results, tables, picture = map(Path, sys.argv[1:])
    rows = rows_of(json.loads(line) for line in results.read_text().splitlines())
    groups = [["U-Net", "VAE decoder"], ["picture"]]
    within = {m: {row: who for row, who in rows.items() if m in next(iter(who.values()))} for m in MODULES}
    tables.write_text("\n".join(table(within[g[0]], g) for g in groups if within[g[0]]))
    out, y = [], 8
    for module in MODULES:
        if not within[module]: continue
        elements, y = bars(within[module], module, y)
        out += elements
    picture.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">\n'
                       + '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(out) + "\n</svg>\n")


if __name__ == "__main__":
    main()
