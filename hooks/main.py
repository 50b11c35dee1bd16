"""MkDocs events in build order; the work is in the package qa.

With mkdocs-static-i18n a build is one pass a language: the second runs inside the first's
on_post_build, and all events but on_startup and on_shutdown happen in each pass.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemBytecodeCache
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort, BuildError, PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from qa import LANGUAGES, root_of
from qa.failures import Failure, Failures, fault_in_build
from qa.files import is_written, path_below
from qa.finish import head, search_index
from qa.finish.publishing import Publication
from qa.prepare import prepare
from qa.project import Project
from qa.site import Site

log = logging.getLogger("mkdocs.qa")


class State:
    """What one command carries from event to event."""

    building = False
    serving = False
    publication: Publication | None = None
    complete = False
    site: Site | None = None
    offline = os.environ.get("QA_OFFLINE", "") == "1"
    """Whether the site is to be opened from a folder."""
    only = os.environ.get("QA_PAGE", "")
    """The one page to serve, `<theme>/<slug>`; empty for all."""


def _later_pass(config: MkDocsConfig) -> bool:
    i18n: Any = config.plugins.get("i18n")
    return i18n is not None and i18n.building


def on_startup(command: str, dirty: bool) -> None:
    # A build makes millions of small objects and few cycles: look for those less often.
    gc.set_threshold(100_000, 50, 50)
    State.building = command == "build"
    State.serving = command == "serve"
    # With -q MkDocs silences the logger itself: --strict would neither count nor show warnings.
    logger = logging.getLogger("mkdocs")
    for handler in logger.handlers:
        handler.setLevel(max(handler.level, min(logger.level, logging.WARNING)))
    logger.setLevel(min(logger.level, logging.INFO))


@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    # The site is built beside the last good one and takes its place when nothing went wrong.
    if State.building and State.publication is None:
        try:
            State.publication = Publication(Path(config.site_dir))
        except Failures as error:
            raise PluginError(str(error)) from error
        config.site_dir = str(State.publication.folder)
    if State.offline:
        # A folder that is opened in a browser has no server that looks for index.html.
        config.use_directory_urls = False
        config.site_url = ""
    if State.only:
        config.nav = None
        config.validation.links.not_found = logging.DEBUG
        config.validation.nav.omitted_files = logging.DEBUG
    return config


def on_pre_build(config: MkDocsConfig) -> None:
    if _later_pass(config):
        return
    project = Project(Path(config.docs_dir).parent)
    try:
        State.site = prepare(project, State.only, sync=State.serving)
    except Failures as error:
        raise PluginError(str(error)) from error


def on_files(files: Files, config: MkDocsConfig) -> Files:
    docs = Path(config.docs_dir)
    for file in list(files):
        source = Path(file.abs_src_path or "")
        if source.is_relative_to(docs) and not is_written(source, docs):
            files.remove(file)
    if State.only:
        kept = {State.only, "index", f"{State.only.partition('/')[0]}/index"}
        for file in files.documentation_pages():
            if file.src_uri.partition("/")[2].removesuffix(".md") not in kept:
                files.remove(file)
    return files


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> Environment:
    # Else each of the theme's templates is compiled anew in each pass of each build. What is
    # compiled is code: it lies beside the installed code, not in a cache that builds share.
    folder = Path(sys.prefix, ".templates")
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
    if os.access(folder, os.W_OK):
        env.bytecode_cache = FileSystemBytecodeCache(str(folder))
    return env


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    assert State.site is not None and page.file.abs_src_path is not None
    to_root = get_relative_url(".", page.url).rstrip("/") + "/"
    rendered = State.site.render(Path(page.file.abs_src_path), to_root)
    return markdown if rendered is None else rendered


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    assert State.site is not None and page.file.abs_src_path is not None
    State.site.check_content(Path(page.file.abs_src_path), html)
    name = State.site.list_of_terms
    prefix = page.file.src_uri.partition("/")[0]
    listed = name and files.get_file_from_path(f"{prefix}/{name}.md")
    if not listed or listed.url == page.url:
        return html
    address = get_relative_url(listed.url, page.url)
    return State.site.explain_terms(Path(page.file.abs_src_path), html, address)


# After everything that adds a script.
@event_priority(-200)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    output = head.with_full_addresses(output, page.canonical_url or "", LANGUAGES[0])
    return head.with_policy(head.with_languages_of_names(output))


@event_priority(-200)
def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    if template_name != "404.html" or "language" not in config.theme:
        return output
    root = urlsplit(config.site_url or "/").path
    homes = {each: root + root_of(each) for each in LANGUAGES}
    page = head.with_policy(head.with_languages_of_names(head.with_homes(output, homes)))
    language = str(config.theme["language"])
    if language == LANGUAGES[0]:
        return page
    # Each pass has one; MkDocs would write the last over the first, and writes no empty ones.
    path_below(Path(config.site_dir), f"{language}/{template_name}").write_text(page, "utf-8")
    return ""


@event_priority(-200)
def on_post_build(config: MkDocsConfig) -> None:
    if _later_pass(config):
        return
    assert State.site is not None
    if State.site.faults:
        raise PluginError(str(Failures(State.site.faults)))
    State.site.write_files(Path(config.site_dir), config.site_url or "")
    search_index.write(Path(config.site_dir), State.site.about)
    State.complete = True


def on_build_error(error: Exception) -> None:
    State.complete = False
    if isinstance(error, OSError):
        # A full or a read-only disk is no fault of the code.
        log.error(str(Failure(Path(error.filename or "."), 1, str(error.strerror))))
        raise Abort("The build cannot read or write a file.") from error
    if not isinstance(error, BuildError | Abort):
        print(fault_in_build(error), file=sys.stderr)


def on_shutdown() -> None:
    if State.publication is None:
        return
    if not State.complete:
        State.publication.discard()
        return
    try:
        State.publication.publish()
    except Failures as error:
        raise PluginError(str(error)) from error
    log.info(f"Site ready in {State.publication.target}")
