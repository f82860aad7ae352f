"""The lesson "Why it works": its numbers once more, by fractions and plain loops instead of tensors and autograd."""

import math
import random
import re
from fractions import Fraction as F
from itertools import product

import jupytext
import pytest

from helpers.lessons import NUMBER, lesson, results, stored

SCRIPT = lesson("why_it_works")
PROSE = " ".join(c.source for c in jupytext.read(SCRIPT).cells if c.cell_type == "markdown").replace("−", "-")
P, REWARDS = [F(1, 2), F(3, 10), F(1, 5)], [F(1), F(0), F(0)]


def shown(tag):
    """Rows of numbers that a cell printed; words and names are left out."""
    lines = results(stored(SCRIPT))[f"result-{tag}"].splitlines()
    return [[float(n) for n in NUMBER.findall(line)] for line in lines if NUMBER.search(line)]


def assert_row(row, values, digits):
    assert row == pytest.approx([float(v) for v in values], abs=0.51 * 10**-digits)


def score(o, p):
    """The gradient of log p(o) for logits: 1 for its own minus the probabilities."""
    return [(j == o) - p[j] for j in range(len(p))]


def true_gradient(p, r):
    """Of the expected reward, by the quotient rule of the softmax: p(j) (r(j) - J)."""
    expected = sum(a * b for a, b in zip(p, r, strict=True))
    return [a * (b - expected) for a, b in zip(p, r, strict=True)]


def moments(outcomes):
    """Mean and variance of vectors, given as pairs of probability and vector."""
    assert sum(chance for chance, _ in outcomes) == 1
    mean = [sum(c * v[j] for c, v in outcomes) for j in range(len(outcomes[0][1]))]
    return mean, sum(c * sum((x - m) ** 2 for x, m in zip(v, mean, strict=True)) for c, v in outcomes)


def draws(p, r, b):
    """All steps of one draw."""
    return [(p[o], [(r[o] - b) * s for s in score(o, p)]) for o in range(len(p))]


def none(rewards, i):
    return rewards[i]


def own_mean(rewards, i):
    return rewards[i] - sum(rewards) / len(rewards)


def others(rewards, i):
    return rewards[i] - (sum(rewards) - rewards[i]) / (len(rewards) - 1)


def group_steps(p, r, size, advantage):
    """All steps of a group."""
    for group in product(range(len(p)), repeat=size):
        rewards = [r[o] for o in group]
        parts = [[advantage(rewards, i) * s for s in score(o, p)] for i, o in enumerate(group)]
        yield math.prod(p[o] for o in group), [sum(x) / size for x in zip(*parts, strict=True)]


def test_three_ways_to_the_same_gradient():
    assert true_gradient(P, REWARDS) == [F(1, 4), F(-3, 20), F(-1, 10)]
    assert moments(draws(P, REWARDS, 0))[0] == true_gradient(P, REWARDS)
    for row in shown("three-ways"):
        assert_row(row, true_gradient(P, REWARDS), 2)
    assert "(0.25, -0.15, -0.10)" in PROSE


def test_samples_come_to_the_share_of_a_times_its_score():
    *rows, exact = shown("samples")
    assert_row(exact, true_gradient(P, REWARDS), 3)
    for count, *estimate in rows:
        share = 2 * estimate[0]
        assert_row(estimate, [share * s for s in (0.5, -0.3, -0.2)], 3)
        assert abs(share - 0.5) < 4 * 0.5 / count**0.5
    (value,), gradient = shown("loss")
    assert gradient == rows[-1][1:]
    assert value == pytest.approx(2 * gradient[0] * math.log(2), abs=0.006)


def test_the_value_of_no_loss_goes_up_and_down():
    right = re.search(
        r"gives A in (\d+), (\d+) or (\d+) of 100 answers has the value \$-p \\log p\$ on average, "
        r"([\d.]+), ([\d.]+) or ([\d.]+):",
        PROSE,
    )
    for share, value in zip(right.groups()[:3], right.groups()[3:], strict=True):
        p = int(share) / 100
        assert f"{p * -math.log(p):.2f}" == value


def test_baselines_leave_the_average_and_change_the_variance():
    for b, *average, variance in shown("variance"):
        exact = moments(draws(P, REWARDS, F(str(b))))
        assert_row(average, exact[0], 2)
        assert exact[0] == true_gradient(P, REWARDS)
        assert_row([variance], [exact[1]], 4)
    length = [sum(s * s for s in score(o, P)) for o in range(3)]
    best = sum(p * n * r for p, n, r in zip(P, length, REWARDS, strict=True)) / sum(
        p * n for p, n in zip(P, length, strict=True)
    )
    assert f"{float(best):.2f}" == "0.31"
    at = {b: moments(draws(P, REWARDS, b))[1] for b in (best - F(1, 100), best, best + F(1, 100))}
    assert min(at, key=at.get) == best
    assert moments(draws(P, REWARDS, -10))[1] / at[best] > 1000


def climb(b, policies, steps, rate, seed):
    """Probability of A at the end of runs with groups of four."""
    chance, ends = random.Random(seed), []
    for _ in range(policies):
        z = [math.log(p) for p in P]
        for _ in range(steps):
            total = sum(map(math.exp, z))
            p = [math.exp(x) / total for x in z]
            for o in chance.choices(range(3), p, k=4):
                z = [x + rate * (float(REWARDS[o]) - b) / 4 * s for x, s in zip(z, score(o, p), strict=True)]
        ends.append(math.exp(z[0]) / sum(map(math.exp, z)))
    return ends


def test_noise_loses_the_right_answer_and_small_steps_find_it():
    *plain, far, careful = [row[-2:] for row in shown("what-noise-costs")[1:]]
    assert plain == [[1, 0]] * 3
    for b in (0, 0.5, 1):
        assert min(climb(b, 50, 40, 1, seed=1)) > 0.9
    ends = climb(-10, 200, 40, 1, seed=1)
    assert far == pytest.approx([sum(e > 0.9 for e in ends) / 200, sum(e < 0.1 for e in ends) / 200], abs=0.12)
    assert far[1] > 0.5
    assert careful == [1, 0]
    assert min(climb(-10, 3, 4000, 0.01, seed=1)) > 0.9


def test_groups_of_four():
    judged, gradient = [r + 2 for r in REWARDS], true_gradient(P, REWARDS)
    for row, way, share in zip(shown("groups"), (none, own_mean, others), (1, F(3, 4), 1), strict=True):
        mean, variance = moments(list(group_steps(P, judged, 4, way)))
        assert mean == [share * g for g in gradient]
        assert_row(row, [share] * 3 + [variance], 4)
    for size in (2, 3):
        mean, _ = moments(list(group_steps(P, judged, size, own_mean)))
        assert mean == [F(size - 1, size) * g for g in gradient]

    def downhill_and_still(way):
        along = [(c, sum(x * g for x, g in zip(s, gradient, strict=True))) for c, s in group_steps(P, judged, 4, way)]
        return [
            round(100 * float(sum(c for c, x in along if x < 0))),
            round(100 * float(sum(c for c, x in along if x == 0)), 1),
        ]

    assert downhill_and_still(none) == [31, 0]
    assert downhill_and_still(others) == [0, 12.5]
    assert "31 of 100 steps lead downhill: they point against the true gradient" in PROSE
    assert "Below none does" in PROSE
    assert "the groups whose rewards agree, one in eight" in PROSE
    small = [moments(list(group_steps(P, REWARDS, 4, way)))[1] for way in (others, none)]
    assert [f"{float(v):.3f}" for v in small] == ["0.036", "0.024"]
    assert "leave-one-out has a variance of 0.036 and no baseline has 0.024" in PROSE


def test_every_token_gets_the_advantage_of_its_completion():
    def chances(row):
        return [math.exp(x) / sum(map(math.exp, row)) for x in row]

    first, *after = map(chances, [[0.5, -0.5], [1.0, 0.0], [0.0, 0.7]])
    wins = first[0] * after[0][1]  # only 01 pays
    expected = [
        [first[0] * (after[0][1] - wins), first[1] * (0 - wins)],
        [first[0] * after[0][0] * (0 - after[0][1]), first[0] * after[0][1] * (1 - after[0][1])],
        [0, 0],
    ]
    for row, values in zip(shown("tokens")[1:], expected, strict=True):
        assert_row(row[-4:], values * 2, 3)


def test_the_package_has_the_gradient_of_log_prob_times_advantage():
    pushes = [(F(1, 2) if o == 0 else F(-1, 2), o) for o in (0, 1, 0, 2)]
    gradient = [sum(a * score(o, P)[j] for a, o in pushes) / 4 for j in range(3)]
    value = -sum(float(a) * math.log(P[o]) for a, o in pushes) / 4
    by_hand, packaged = shown("package")
    assert_row(by_hand[:1], [value], 2)
    assert packaged[0] == 0
    for row in (by_hand, packaged):
        assert_row(row[1:], gradient, 3)


def test_the_probability_counted_twice_pushes_the_best_answer_down():
    paid = [F(4, 5), F(0), F(1)]
    twice = [(p, [p * r * s for s in score(o, P)]) for o, (p, r) in enumerate(zip(P, paid, strict=True))]
    once, wrong = true_gradient(P, paid), moments(twice)[0]
    assert once[2] > 0 > wrong[2]
    for row, values in zip(shown("probability-twice"), (once, wrong), strict=True):
        assert_row(row, values, 3)


def variance_with(values, p):
    mean = sum(c * x for c, x in zip(p, values, strict=True))
    return sum(c * (x - mean) ** 2 for c, x in zip(p, values, strict=True))


def test_one_parameter():
    for p, b in product([F(k, 10) for k in range(1, 10)], [F(k, 10) for k in range(-3, 12)]):
        steps = [(1 - b) * (1 - p), -b * -p]
        assert variance_with(steps, [p, 1 - p]) == p * (1 - p) * (1 - p - b) ** 2
        worse = p * (1 - p) * (1 - 2 * p) ** 2 > p * (1 - p) * (1 - p) ** 2
        assert worse == (p > F(2, 3))
    rows = [row[-1] for row in shown("solution-one-parameter")]
    p = F(9, 10)
    exact = [p * (1 - p) * (1 - p - b) ** 2 for b in (0, p, 1 - p)]
    tenth, nine = [F(1, 10)] * 10, [F(1)] * 9 + [F(0)]
    exact += [moments(draws(tenth, nine, b))[1] for b in (0, p)]
    exact += [moments(list(group_steps(tenth, nine, 2, way)))[1] for way in (none, others)]
    exact += [moments(list(group_steps(P, REWARDS, 4, way)))[1] for way in (none, own_mean, others)]
    assert_row(rows, exact, 4)
    assert exact[:3] == [F("0.0009"), F("0.0576"), 0]
    assert "At $p = 0.9$: 0.0576 against 0.0009" in PROSE


def test_the_mean_of_what_is_kept_climbs_the_logarithm():
    for row in shown("solution-kept"):
        assert_row(row, [g / F(1, 2) for g in true_gradient(P, REWARDS)], 2)


def test_what_a_prompt_weighs():
    for p, plain, mean, divided, limit in shown("solution-weights")[-4:]:
        size, weights = 8, [0.0, 0.0, 0.0]
        for k in range(size + 1):
            chance = math.comb(size, k) * p**k * (1 - p) ** (size - k)
            share = k / size * (1 - k / size)
            spread = math.sqrt(share * size / (size - 1)) or 1
            for i, step in enumerate((k / size * (1 - p), share, share / spread)):
                weights[i] += chance * step / (p * (1 - p))
        assert_row([plain, mean, divided, limit], [*weights, (p * (1 - p)) ** -0.5], 4)
        assert_row([plain, mean], [1, F(7, 8)], 4)


def test_the_paper_exercise_fails_where_it_should():
    (_, fits), (fails,) = [row[-2:] if len(row) > 1 else row for row in shown("solution-paper")]
    assert fits == 0 < fails
