r"""TeX in plain signs, for the search, descriptions and cards: `$\rho_{i,t} > 1$` -> `ρ_i,t > 1`."""

import re
from unicodedata import normalize

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(?=\S)([^$\n]+?)(?<=\S)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
SIGNS = {
    **{name: chr(code) for code, name in enumerate(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau"
        " upsilon phi chi psi omega".split(), ord("α"))},
    **{"infty": "∞", "pm": "±", "cdot": "·", "times": "×", "ge": "≥", "le": "≤", "gt": ">", "lt": "<", "ne": "≠"},
    **{"approx": "≈", "sum": "Σ", "nabla": "∇", "mid": "|", "Vert": "‖", "lvert": "|", "rvert": "|", "sqrt": "√"},
    **{"dots": "…", "to": "→", "propto": "∝", "in": "∈", "partial": "∂", "ell": "ℓ", "Delta": "Δ", "Pi": "Π"},
    **{name: name for name in ("log", "exp", "min", "max", "ln", "operatorname", "Var")},
}  # fmt: skip
SIGNS["operatorname"] = ""


def readable(text: str) -> str:
    """The text with its formulas in plain signs."""
    return FORMULA.sub(lambda match: _plain(next(filter(None, match.groups()))), text)


def _plain(tex):
    tex = re.sub(r"\\[td]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", lambda m: f"{_part(m[1])}/{_part(m[2])}", tex)
    tex = re.sub(r"\\(?!(?:hat|bar)\b)([A-Za-z]+)", lambda m: SIGNS.get(m[1], ""), tex)
    tex = re.sub(r"\\(hat|bar)\s*\{?(\w)\}?", lambda m: m[2] + {"hat": "\u0302", "bar": "\u0304"}[m[1]], tex)
    tex = re.sub(r"\\(?:[,;:! ]|\\)", " ", tex)
    return normalize("NFC", re.sub(r"\s+", " ", re.sub(r"[{}\\]|&(?!\w+;)", "", tex)).strip())


def _part(tex):
    return f"({tex})" if " " in tex.strip() else tex
