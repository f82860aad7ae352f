"""Curves of runs, as a picture: a row a run, a column a measure, the sound run in grey behind."""

WIDTH, HEIGHT, LEFT, TOP = 150, 74, 74, 30


def points(values: list[float], low: float, high: float) -> str:
    """Place values in a panel."""
    across, span = (WIDTH - 16) / max(len(values) - 1, 1), (high - low) or 1
    return " ".join(f"{i * across:.1f},{(HEIGHT - 26) * (1 - (v - low) / span):.1f}" for i, v in enumerate(values))


def svg(runs: dict[str, list[dict]], sound: list[dict]) -> str:
    """Draw the runs; each panel has a scale of its own, that is written at its top and bottom."""
    names = list(sound[0])
    width, height = LEFT + WIDTH * len(names), TOP + HEIGHT * len(runs)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="12">',
        "<title>What five broken runs measured, and in grey what the sound run measured</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for column, name in enumerate(names):
        x = LEFT + WIDTH * column
        out.append(f'<text x="{x}" y="18" font-weight="bold">{name}</text>')
        for row, (run, history) in enumerate(runs.items()):
            y = TOP + HEIGHT * row
            if column == 0:
                out.append(f'<text x="4" y="{y + 28}">{run}</text>')
            both = [record[name] for record in (*history, *sound)]
            low, high = min(0.0, *both), max(both)
            grey, own = (points([record[name] for record in h], low, high) for h in (sound, history))
            out += [
                f'<g transform="translate({x} {y})">',
                f'<path d="M0 0V{HEIGHT - 26}H{WIDTH - 16}" fill="none" stroke="#999"/>',
                f'<polyline points="{grey}" fill="none" stroke="#bbb" stroke-width="2"/>',
                f'<polyline points="{own}" fill="none" stroke="#b3261e" stroke-width="1.5"/>',
                f'<text x="-4" y="10" text-anchor="end" font-size="9">{high:.2g}</text>',
                f'<text x="-4" y="{HEIGHT - 26}" text-anchor="end" font-size="9">{low:.2g}</text></g>',
            ]
    return "\n".join([*out, "</svg>\n"])
