"""Tables on a phone: which become cards, and what their cells then carry."""

import pytest
from bs4 import BeautifulSoup

from helpers.built import ROOT

SENTENCE = "good, yet rarer: push it up"  # 27 characters


@pytest.fixture(autouse=True)
def theme(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "theme")


def table(head, row):
    def line(tag, cells):
        return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"

    return f"<table><thead>{line('th', head)}</thead><tbody>{line('td', row)}</tbody></table>"


def cards(html):
    from tables import marked

    soup = BeautifulSoup(marked(html), "html.parser")
    assert ("data-rows" in soup.table.attrs) == ("data-" in str(soup))
    return [cell.get("data-label") for cell in soup.tbody("td")]


def test_a_row_with_long_cells_carries_its_headers():
    html = table(["A", r"plain $\rho\hat A$", "min", "in words, and why"], ["+1", "0.5", "0.5", SENTENCE + SENTENCE])
    assert cards(html) == ["A", "plain ρÂ", "min", "in words, and why"]


def test_the_first_of_few_columns_is_a_title_and_two_columns_need_no_label():
    assert cards(table(["Symbol", "In code", "Meaning"], ["q", "ids", SENTENCE * 3])) == [None, "In code", "Meaning"]
    assert cards(table(["File", "What it holds"], ["a", SENTENCE * 5])) == [None, None]


def test_of_many_cells_a_long_one_has_a_line_of_its_own_and_so_has_a_column_of_them():
    from tables import marked

    html = table(["A", "B", "C", "D"], ["1", "2", SENTENCE, "4"])
    for row in (["1", "2", SENTENCE, SENTENCE + "!" * 9], ["1", "2", "3", "4"]):
        html = html.replace("</tbody>", f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr></tbody>")
    rows = BeautifulSoup(marked(html), "html.parser").tbody("tr")
    assert [["data-long" in cell.attrs for cell in row("td")] for row in rows] == [
        [False, False, True, False],
        [False, False, True, True],
        [False, False, True, False],
    ]


@pytest.mark.parametrize(
    "html",
    [
        table(["A", "B", "C"], ["1", "2", SENTENCE]),  # has room
        table(list("ABCDEFG"), ["0.123456789"] * 7),  # numbers are compared by columns
        table(["A", "B", "C"], ["1", "2", f"<code>{SENTENCE * 3}</code>"]),
        table(["Do", "Predict", "Record"], [SENTENCE * 4, "", ""]),  # to be written in
        table(["File", "What it holds"], ["a", SENTENCE * 3]),
    ],
)
def test_the_others_stay_as_they_are(html):
    from tables import marked

    assert marked(html) == html


def test_a_negative_number_has_a_minus_no_number_breaks_and_nothing_else_changes():
    from tables import on_page_content

    def page(*cells):
        return '<table class="results">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</table>"

    came = page("-0.50", "-0.2 ± 0.1 *", "-x", "a-1", "-1 to 2", "lr 5e-5", "1.5 e-mail", "a ± b")
    kept = '<span class="whole">{}</span>'.format
    minus = "\N{MINUS SIGN}"
    shown = page(
        f"{minus}0.50", kept(f"{minus}0.2 ± 0.1") + " *", "-x", "a-1", "-1 to 2", f"lr {kept('5e-5')}", "1.5 e-mail",
        "a ± b",
    )  # fmt: skip
    assert on_page_content(came, None, None, None) == shown.replace("</td>", "</td>\n")  # two words of the search
    assert on_page_content("<p>-0.2 ± 0.1</p>", None, None, None) == "<p>-0.2 ± 0.1</p>"
