"""What a reader does on the built site."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from qa.run import notebook as notebooks
from tests.browser.conftest import SITE

ROOT = Path(__file__).parents[2]
PAGES = [f"{p.parent.name}/{p.stem}" for p in notebooks.find(ROOT / "notebooks")]
LANGUAGES = {"zh": "", "en": "en/"}
TABS = {
    "zh": ["训练", "推理服务", "计费", "安全"],
    "en": ["Training", "Serving", "Billing", "Security"],
}
PHONE = 390  # pixels


def see_all(page: Page) -> None:
    """Scroll to the end, so that what loads late has loaded."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 400) {
                scrollTo(0, y)
                await new Promise(done => setTimeout(done, 20))
            }
        }"""
    )
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("language", LANGUAGES)
def test_home_shows_the_themes_and_counted_examples(
    page: Page, address: str, language: str
) -> None:
    page.goto(address + LANGUAGES[language])
    expect(page.locator("html")).to_have_attribute("lang", language)
    for tab in TABS[language]:
        expect(page.locator(".md-tabs").get_by_role("link", name=tab, exact=True)).to_be_visible()
    facts = page.locator(".qa-facts").inner_text()
    assert re.search(rf"\b{len(PAGES)}\b", facts) and not re.search(r"\d+ / \d+", facts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_home_gives_three_answers_as_their_pages_do(
    page: Page, address: str, language: str
) -> None:
    page.goto(address + LANGUAGES[language])
    expect(page.locator(".qa-answer")).to_have_count(3)
    expect(page.locator(".qa-answer figure img:visible")).to_have_count(1)
    quoted = {}
    for answer in page.locator(".qa-answer").all():
        link = answer.locator(".qa-answer__title a")
        quoted[link.evaluate("a => a.href")] = answer.locator("li").all_inner_texts()
    for target, points in quoted.items():
        assert len(points) >= 3
        page.goto(target)
        assert page.locator(".admonition.abstract li").all_inner_texts() == points


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_field_on_the_home_page_opens_the_search(
    page: Page, address: str, language: str
) -> None:
    page.goto(address + LANGUAGES[language])
    field = page.locator(".qa-find button")
    expect(field).to_be_in_viewport()
    field.click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_focused()


@pytest.mark.parametrize("language", LANGUAGES)
def test_home_leads_each_role_to_its_path(page: Page, address: str, language: str) -> None:
    page.goto(address + LANGUAGES[language])
    targets = page.locator(".qa-roles a").evaluate_all("all => all.map(a => a.href)")
    assert [target.rpartition("#")[2] for target in targets] == ["train", "serve", "sell", "secure"]
    for target in targets:
        page.goto(target)
        expect(page.locator(f"#{target.rpartition('#')[2]}")).to_be_in_viewport()


@pytest.mark.parametrize("name", PAGES)
def test_language_switch_leads_to_the_same_page_and_back(
    page: Page, address: str, name: str
) -> None:
    page.goto(f"{address}{name}/")
    for language, url in (("en", f"{address}en/{name}/"), ("zh", f"{address}{name}/")):
        page.locator(".md-select button").first.hover()
        page.locator(f'.md-select__link[hreflang="{language}"]').click()
        page.wait_for_url(url)
        expect(page.locator("html")).to_have_attribute("lang", language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_figures_diagrams_and_mathematics_are_drawn(
    page: Page, address: str, name: str, language: str
) -> None:
    failed: list[str] = []
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(f"{address}{LANGUAGES[language]}{name}/")
    page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
    see_all(page)
    images = page.locator("article img:visible")
    for image in images.all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 100"), image
        assert image.get_attribute("alt")
    diagrams = page.locator("article .qa-diagram")
    assert diagrams.count() > 0
    for diagram in diagrams.all():
        drawing = diagram.locator("svg")
        expect(drawing).to_be_visible()
        assert drawing.evaluate("d => d.getBoundingClientRect().height") > 50
        assert drawing.get_attribute("aria-label")
    formulas = page.locator("article .arithmatex")
    assert formulas.count() == page.locator("article .arithmatex:has(.katex)").count()
    expect(page.locator("article .katex-error")).to_have_count(0)
    expect(page.locator(".qa-run")).to_have_count(1)
    assert "{{ " not in page.locator("article").inner_text()  # a value; Python writes {{}}
    assert not failed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_has_the_colours_of_the_scheme(page: Page, address: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{address}training/overfitting/")
    see_all(page)
    sources = [
        image.get_attribute("src") or "" for image in page.locator(".qa-figure img:visible").all()
    ]
    assert sources
    assert all(source.endswith((f"#only-{scheme}", ".webp")) for source in sources)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_a_phone(page: Page, address: str, name: str) -> None:
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(f"{address}{name}/")
    see_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_a_code_block_is_copied_as_it_stands_in_the_notebook(page: Page, address: str) -> None:
    name = "training/overfitting"
    book = notebooks.read(ROOT / "notebooks" / f"{name}.py")
    page.goto(f"{address}{name}/")
    block = page.locator(".qa-cell:has(> details:not([open]))").first
    block = page.locator(f"#{block.get_attribute('id')}")
    identity = (block.get_attribute("id") or "").removeprefix("cell-")
    code = block.locator("details.qa-code")
    code.locator("summary").click()
    code.locator(".highlight").hover()
    code.get_by_role("button").first.click()
    expect(page.locator(".md-dialog")).to_be_visible()
    cell = book.cell(identity)
    assert cell is not None
    assert page.evaluate("navigator.clipboard.readText()").strip() == cell.source.strip()


def test_the_executed_notebook_downloads(page: Page, address: str) -> None:
    page.goto(f"{address}en/training/overfitting/")
    see_all(page)  # what is laid out only now must not move the link away from the pointer
    with page.expect_download() as download:
        page.locator(".qa-run a:not([href^=http])").first.click()
    assert download.value.suggested_filename == "overfitting.ipynb"
    assert '"outputs": [\n    {' in download.value.path().read_text()


def test_a_document_page_lists_all_its_questions(page: Page, address: str) -> None:
    corpus = yaml.safe_load((ROOT / "docs/corpus.yml").read_text(encoding="utf-8"))
    for document in corpus["documents"]:
        page.goto(f"{address}en/questions/{document['id'].lower()}/")
        expect(page.locator("article table tbody tr")).to_have_count(len(document["questions"]))


@pytest.mark.parametrize("how", ["pointer", "keyboard"])
def test_a_term_is_explained_where_it_is_first_used(page: Page, address: str, how: str) -> None:
    page.goto(f"{address}en/serving/concurrency/")
    term = page.locator(".qa-term", has_text="inter-token latency")
    expect(term).to_have_count(1)
    definition = term.get_attribute("title") or ""
    assert len(definition) > 20
    term.hover() if how == "pointer" else term.focus()
    tooltip = page.get_by_role("tooltip")
    expect(tooltip).to_have_text(definition)
    expect(term).to_have_attribute("aria-describedby", "qa-tooltip")
    page.keyboard.press("Escape")
    expect(tooltip).to_be_hidden()
    term.click()
    page.wait_for_url(f"{address}en/terms/#inter-token-latency")


def test_questions_are_filtered(page: Page, address: str) -> None:
    page.goto(f"{address}en/questions/")
    form = page.locator(".qa-questions form")
    entries = page.locator(".qa-bank > li:visible")
    answered = entries.count()
    expect(page.locator(".qa-bank > li[data-open]:visible")).to_have_count(0)
    form.get_by_label("still open").check()
    expect(entries).to_have_count(150 - 18)
    form.get_by_label("Document").select_option("D")
    expect(entries).to_have_count(13)
    form.get_by_label("Document").select_option("C")
    expect(entries).to_have_count(30)
    form.get_by_label("still open").uncheck()
    assert 0 < entries.count() < min(30, answered)
    form.get_by_label("Theme").select_option("billing")
    headings = [re.compile("Billing"), re.compile("Sources")]
    expect(page.locator("article h2:visible")).to_have_text(headings)
    form.get_by_label("Contains").fill("energy")
    expect(entries).to_have_count(1)
    expect(page.locator(".qa-questions [role=status]")).to_have_text("1 question")


def test_what_was_chosen_of_the_questions_is_there_again(page: Page, address: str) -> None:
    page.goto(f"{address}questions/")
    entries = page.locator(".qa-bank > li:visible")
    form = page.locator(".qa-questions form")
    form.get_by_label("主题").select_option("serving")
    form.get_by_label("没有答完").check()
    form.get_by_label("包含").fill("容器")
    found = entries.all_inner_texts()
    assert found
    page.reload()
    assert entries.all_inner_texts() == found
    expect(form.get_by_label("没有答完")).to_be_checked()
    entries.get_by_role("link").first.click()
    page.wait_for_url(f"{address}serving/containers/")
    page.go_back()
    expect(form.get_by_label("包含")).to_have_value("容器")
    assert entries.all_inner_texts() == found
    page.go_back()
    assert page.url == "about:blank", "choosing made no history"


def test_a_link_to_an_open_question_shows_it(page: Page, address: str) -> None:
    page.goto(f"{address}questions/?theme=billing#a01")
    expect(page.locator("#a01")).to_be_in_viewport()
    expect(page.locator(".qa-bank li:has(#a01)")).to_contain_text("尚未回答")
    expect(page.locator(".qa-bank li:has(#e05)")).to_contain_text("部分回答")


def test_questions_are_filtered_by_theme_in_the_folder_too(browser: Browser) -> None:
    page = browser.new_page()
    page.goto((SITE / "questions/index.html").as_uri())
    page.get_by_label("主题").select_option("security")
    expect(page.locator("article h2:visible").first).to_contain_text("安全")
    assert page.locator(".qa-bank > li:visible").count() >= 2
    assert page.url.endswith("?theme=security")
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_record_of_runs_names_every_example(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}{LANGUAGES[language]}about/verified/")
    rows = page.locator("article table tbody tr")
    expect(rows).to_have_count(len(PAGES))
    for row in rows.all():
        cells = row.locator("td").all_inner_texts()
        assert re.fullmatch(r"\d+ / \d+|这一版未测|not measured for this version", cells[1])
        assert cells[2].isdigit()
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", cells[3])
        assert float(cells[7]) > 0 and float(cells[8]) > 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_names_its_level_terms_and_neighbours(
    page: Page, address: str, language: str
) -> None:
    for name in PAGES:
        page.goto(f"{address}{LANGUAGES[language]}{name}/")
        about = page.locator(".qa-about + .qa-about")
        expect(about.locator("span")).to_have_text(re.compile("难度|Level"))
        assert about.get_by_role("link").count() >= 4
        assert page.locator("#related + ul a").count() >= 1


@pytest.mark.parametrize(("path", "language"), [("nowhere/", "zh"), ("en/no/where/", "en")])
def test_a_missing_page_speaks_the_reader_s_language(
    page: Page, address: str, path: str, language: str
) -> None:
    page.goto(f"{address}{path}")
    expect(page.locator("html")).to_have_attribute("lang", language)
    home = page.locator("article").get_by_role("link", name=re.compile("首页|Home"))
    home.click()
    page.wait_for_url(f"{address}{LANGUAGES[language]}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_machines_read(page: Page, address: str, language: str) -> None:
    prefix = LANGUAGES[language]
    page.goto(f"{address}{prefix}training/overfitting/")
    head = page.locator("head")
    canonical = head.locator("link[rel=canonical]").get_attribute("href") or ""
    assert canonical.endswith(f"/{prefix}training/overfitting/")
    assert len(head.locator("meta[name=description]").get_attribute("content") or "") > 40
    alternates = {
        link.get_attribute("hreflang"): link.get_attribute("href")
        for link in head.locator("link[hreflang]").all()
    }
    site = canonical.removesuffix(f"{prefix}training/overfitting/")
    assert alternates == {
        "zh": f"{site}training/overfitting/",
        "x-default": f"{site}training/overfitting/",
        "en": f"{site}en/training/overfitting/",
    }
    sitemap = page.request.get(f"{address}sitemap.xml").text()
    assert f"<loc>{canonical}</loc>" in sitemap
    feed = ElementTree.fromstring(page.request.get(f"{address}{prefix}feed.xml").text())
    atom = "{http://www.w3.org/2005/Atom}"
    entries = feed.findall(f"{atom}entry")
    assert entries and feed.findtext(f"{atom}updated") == entries[0].findtext(f"{atom}updated")
    answers = [entry for entry in entries if entry.findtext(f"{atom}summary")]
    assert len(answers) == len(PAGES)
    target = entries[0].find(f"{atom}link").attrib["href"]  # type: ignore[union-attr]
    page.goto(address + target.removeprefix(site))
    anchor = target.rpartition("#")[2]
    expect(page.locator(f"#{anchor}")).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_is_shared_has_a_card_its_data_and_its_markdown(
    page: Page, address: str, language: str
) -> None:
    prefix = LANGUAGES[language]
    for name in PAGES:
        page.goto(f"{address}{prefix}{name}/")
        title = page.locator("article h1").inner_text().removesuffix("¶")
        metas = page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll("meta[property], meta[name]")]
                .map(m => [m.getAttribute("property") || m.name, m.content]))"""
        )
        assert metas["og:title"] == title and metas["og:type"] == "article"
        assert metas["og:description"] == metas["description"]
        site = metas["og:url"].removesuffix(f"{prefix}{name}/")
        card = page.request.get(address + metas["og:image"].removeprefix(site))
        assert card.ok and card.headers["content-type"] == "image/png"
        data = json.loads(page.locator('script[type="application/ld+json"]').inner_text())
        assert data["@type"] == "TechArticle" and data["headline"] == title
        assert data["datePublished"] <= data["dateModified"] == metas["article:modified_time"]
        markdown = page.locator('link[type="text/markdown"]').evaluate("link => link.href")
        text = page.request.get(markdown).text()
        assert text.startswith(f"# {title}") and "{{" not in re.sub(
            r"```.*?```", "", text, flags=re.S
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_find_every_answer_icons_and_manifest(
    page: Page, address: str, language: str
) -> None:
    prefix = LANGUAGES[language]
    page.goto(f"{address}{prefix}")
    index = page.request.get(f"{address}{prefix}llms.txt").text()
    for name in PAGES:
        assert f"/{prefix}{name}.md)" in index
    manifest = page.locator("link[rel=manifest]").evaluate("link => link.href")
    for icon in page.request.get(manifest).json()["icons"]:
        found = page.request.get(urljoin(manifest, icon["src"]))
        assert found.ok and found.headers["content-type"] == "image/png"
    touch = page.locator("link[rel=apple-touch-icon]").evaluate("link => link.href")
    assert page.request.get(touch).ok
    assert "Sitemap: " in page.request.get(f"{address}robots.txt").text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_for_maintainers_reaches_readers(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}{LANGUAGES[language]}about/downloads/")
    assert not re.search(r"\bmake\b|mkdocs|pip install", page.locator("article").inner_text())
