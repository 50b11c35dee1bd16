"""Folded code, the ways into it, and numbers that lead to their cells and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SITE

LANGUAGES = ["", "en/"]
ANSWER = "training/overfitting/"
CODE = "article details.qa-code"
OPEN = f"{CODE}[open]"


@pytest.fixture
def without_scripts(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def closed_cell(page: Page) -> str:
    """The id of a cell whose code is folded, and which a number leads to."""
    found = page.locator(".qa-cell:has(.qa-back):has(> details:not([open]))").first
    return found.get_attribute("id") or ""


def opens(page: Page) -> None:
    """The code of the first cell that is folded can be opened."""
    code = page.locator(f"#{closed_cell(page)} > details")
    expect(code.locator("pre").first).to_be_hidden()
    code.locator("summary").click()
    expect(code.locator("pre").first).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_code_is_folded_under_what_it_shows(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}{language}{ANSWER}")
    cells = page.locator(".qa-cell")
    assert cells.count() > 5
    for cell in cells.all():
        kinds = cell.evaluate("c => [...c.children].map(e => e.className.split(' ')[0])")
        assert kinds.index("qa-caption") < kinds.index("qa-code")
    opens(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_switch_opens_all_code_and_is_remembered(
    page: Page, address: str, language: str
) -> None:
    page.goto(f"{address}{language}{ANSWER}")
    at_first = page.locator(OPEN).count()
    switch = page.locator("button.qa-unfold")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(page.locator(OPEN)).to_have_count(page.locator(CODE).count())
    page.goto(f"{address}{language}billing/ledger/")
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(page.locator(OPEN)).to_have_count(page.locator(CODE).count())
    page.goto(f"{address}{language}{ANSWER}")
    switch.click()
    expect(page.locator(OPEN)).to_have_count(at_first)
    page.reload()
    expect(page.locator(OPEN)).to_have_count(at_first)


def test_the_switch_works_from_a_folder(browser: Browser) -> None:
    page = browser.new_page()
    page.goto((SITE / ANSWER / "index.html").as_uri())
    page.locator("button.qa-unfold").click()
    expect(page.locator(OPEN)).to_have_count(page.locator(CODE).count())
    page.close()


@pytest.mark.parametrize("how", ["load", "click", "hash"])
def test_an_address_into_folded_code_opens_it(page: Page, address: str, how: str) -> None:
    page.goto(address + ANSWER)
    line = page.locator(f"{CODE}:not([open]) [id^=__codelineno]").first.get_attribute("id")
    if how == "load":
        page.goto("about:blank")
        page.goto(f"{address}{ANSWER}#{line}")
    elif how == "hash":
        page.evaluate("hash => { location.hash = hash }", line)
    else:
        page.evaluate(
            """hash => {
                const link = document.createElement("a")
                link.href = `#${hash}`
                document.body.append(link)
                link.click()
            }""",
            line,
        )
    opened = page.locator(f"{OPEN}:has([id='{line}'])")
    expect(opened).to_have_count(1)
    expect(page.locator(f"[id='{line}']").locator("xpath=..")).to_be_in_viewport()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_follow_up_question_has_an_address_that_opens_it(
    page: Page, address: str, language: str
) -> None:
    page.goto(f"{address}{language}{ANSWER}")
    box = page.locator("#follow-ups ~ details").last.get_attribute("id")
    assert box
    page.goto(f"{address}{language}{ANSWER}#{box}")
    expect(page.locator(f"#{box}")).to_have_attribute("open", "")
    expect(page.locator(f"#{box} > summary")).to_be_in_viewport()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_leads_to_its_cell_and_the_cell_back(
    page: Page, address: str, language: str
) -> None:
    page.goto(f"{address}{language}{ANSWER}")
    number = page.locator("#trade-offs ~ * .qa-value").first
    identity, cell = number.get_attribute("id"), (number.get_attribute("href") or "")[1:]
    expect(page.locator(f"#{cell} .qa-back")).to_be_hidden()
    number.click()
    expect(page.locator(f"#{cell}")).to_be_in_viewport()
    expect(page.locator(f"#{cell} > details.qa-code pre").first).to_be_visible()
    back = page.locator(f"#{cell} .qa-back")
    expect(back).to_be_visible()
    back.locator(f"a[href='#{identity}']").click()
    expect(number).to_be_in_viewport()
    expect(back).to_be_hidden()


def test_a_number_is_quiet_until_it_is_pointed_at(page: Page, address: str) -> None:
    page.goto(address + ANSWER)
    number = page.locator("article p .qa-value").first
    colour = "e => getComputedStyle(e).color"
    style = "e => getComputedStyle(e).textDecorationStyle"
    around = number.locator("xpath=ancestor::p[1]").evaluate(colour)
    assert number.evaluate(colour) == around
    assert number.evaluate(style) == "dotted"
    number.hover()
    assert number.evaluate(colour) != around


def test_a_cell_has_a_link_of_its_own(page: Page, address: str) -> None:
    page.goto(address + ANSWER)
    cell = closed_cell(page)
    page.locator(f"#{cell} .qa-caption").hover()
    link = page.locator(f"#{cell} .qa-caption .headerlink")
    expect(link).to_have_css("opacity", "1")
    link.click()
    page.wait_for_url(f"**/{ANSWER}#{cell}")


def test_without_scripts_code_opens_and_numbers_lead(without_scripts: Page, address: str) -> None:
    page = without_scripts
    page.goto(address + ANSWER)
    expect(page.locator(".qa-unfold")).to_be_hidden()
    opens(page)
    number = page.locator(".qa-value").first
    cell = number.get_attribute("href")
    number.click()
    expect(page.locator(f"{cell} .qa-back")).to_be_visible()


def test_print_shows_all_code(page: Page, address: str) -> None:
    page.goto(address + ANSWER)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for code in page.locator(f"{CODE} pre").all():
        expect(code).to_be_visible()
    expect(page.locator(".qa-unfold")).to_be_hidden()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_below_the_title_says_what_ran(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}{language}{ANSWER}")
    line = page.locator("h1 + .qa-about")
    expect(line).to_have_text(re.compile(r"\d{4}-\d\d-\d\d"))
    for anchor in ("#trade-offs", "#run"):
        line.locator(f"a[href='{anchor}']").click()
        expect(page.locator(anchor)).to_be_in_viewport()
    with page.expect_download() as download:
        line.locator("a[download]").click()
    assert download.value.suggested_filename == "overfitting.ipynb"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_the_lead_is_as_large_as_the_text_and_no_wider_than_75_characters(
    page: Page, address: str, language: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}{language}{ANSWER}")
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    points = page.locator(".admonition.abstract li")
    assert points.count() in (3, 4)
    body = page.locator("#references ~ ul li").first.evaluate(size)
    zeros = """e => {
        const ruler = document.createElement("span")
        ruler.textContent = "0".repeat(75)
        ruler.style.cssText = "position: absolute; white-space: pre"
        e.append(ruler)
        const width = ruler.getBoundingClientRect().width
        ruler.remove()
        return e.clientWidth / width
    }"""
    for point in points.all():
        assert point.evaluate(size) >= body
        assert point.evaluate(zeros) <= 1
