"""MkDocs builds the pages: what its events do, and all that is known of it and its plugins.

With mkdocs-static-i18n a build is one pass a language: the second runs inside the first's
on_post_build, and all events but on_startup and on_shutdown happen in each pass.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click import ClickException
from jinja2 import Environment, FileSystemBytecodeCache
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort, BuildError, PluginError
from mkdocs.structure.files import Files, InclusionLevel
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from qa import LANGUAGES, for_programs, root_of, site_files
from qa.failures import Failure, Failures, fault_in_build
from qa.files import is_written, path_below
from qa.finish.built import MISSING
from qa.finish.publishing import Publication
from qa.finishing import finish
from qa.prepare import prepare
from qa.project import Project
from qa.rendering import render_page
from qa.site import Site

log = logging.getLogger("mkdocs.qa")


class Build:
    """What one command carries from event to event."""

    def __init__(self) -> None:
        self.command = ""
        self.publication: Publication | None = None
        self.complete = False
        self.site: Site | None = None
        self.addresses: dict[str, Path] = {}
        """Paths in the site by what they are made of, in all languages."""
        self.offline = os.environ.get("QA_OFFLINE", "") == "1"
        """Whether the site is to be opened from a folder."""
        self.only = os.environ.get("QA_PAGE", "")
        """The one page to serve, `<theme>/<slug>`; empty for all."""

    def start(self, command: str) -> None:
        # A build makes millions of small objects and few cycles: look for those less often.
        gc.set_threshold(100_000, 50, 50)
        self.command = command
        # With -q MkDocs silences the logger itself: --strict would neither count nor show warnings.
        logger = logging.getLogger("mkdocs")
        for handler in logger.handlers:
            handler.setLevel(max(handler.level, min(logger.level, logging.WARNING)))
        logger.setLevel(min(logger.level, logging.INFO))

    def configure(self, config: MkDocsConfig) -> MkDocsConfig:
        # The site is built beside the last good one and takes its place when nothing went wrong.
        if self.command == "build" and self.publication is None:
            with _failing():
                self.publication = Publication(Path(config.site_dir))
            config.site_dir = str(self.publication.folder)
        # Files are included by the build itself: see qa.pages.includes.
        with suppress(ValueError):
            config.markdown_extensions.remove("pymdownx.snippets")
        if self.offline:
            # A folder that is opened in a browser has no server that looks for index.html.
            config.use_directory_urls = False
            config.site_url = ""
        _spare_the_index(config)
        if self.only:
            config.nav = None
            config.validation.links.not_found = logging.DEBUG
            config.validation.nav.omitted_files = logging.DEBUG
        return config

    def prepare(self, config: MkDocsConfig) -> None:
        if _is_later_pass(config):
            return
        self.addresses = {}
        project = Project(Path(config.docs_dir).parent)
        with _failing():
            self.site = prepare(project, self.only, sync=self.command == "serve")

    def choose(self, files: Files, config: MkDocsConfig) -> Files:
        docs = Path(config.docs_dir)
        for file in list(files):
            source = Path(file.abs_src_path or "")
            if source.is_relative_to(docs) and not is_written(source, docs):
                files.remove(file)
        if self.only:
            kept = {self.only, "index", f"{self.only.partition('/')[0]}/index"}
            for file in files.documentation_pages():
                if file.src_uri.partition("/")[2].removesuffix(".md") not in kept:
                    files.remove(file)
        return files

    def check_addresses(self, files: Files, config: MkDocsConfig) -> None:
        """When all plugins have given the files their places. Themes and plugins have theirs."""
        published = [
            (Path(file.abs_src_path), file.dest_uri)
            for file in files
            if file.inclusion is not InclusionLevel.EXCLUDED
            and file.abs_src_path
            and Path(file.abs_src_path).is_relative_to(config.docs_dir)
        ]
        with _failing():
            if faults := list(site_files.address_faults(published, self.addresses)):
                raise Failures(faults)

    def render(self, markdown: str, page: Page) -> str:
        assert self.site is not None and page.file.abs_src_path is not None
        page.meta.pop("labels", None)  # themes need none of it, and it may hold any character
        to_root = get_relative_url(".", page.url).rstrip("/") + "/"
        rendered = render_page(self.site, Path(page.file.abs_src_path), to_root)
        return markdown if rendered is None else rendered

    def finish(self, config: MkDocsConfig) -> None:
        if _is_later_pass(config):
            return
        assert self.site is not None
        folder, address = Path(config.site_dir), config.site_url or ""
        for name in ("search/search_index.json", "sitemap.xml.gz"):
            (folder / name).unlink(missing_ok=True)
        site_files.write(self.site, folder)
        if not self.only:  # others were not checked, and may not be written
            for_programs.write(self.site, folder, address)
        # Without i18n the languages lie as they do in docs/.
        is_rooted = "i18n" in config.plugins
        roots = {each: root_of(each) if is_rooted else f"{each}/" for each in LANGUAGES}
        with _failing():
            finish(self.site, folder, address, config.use_directory_urls, roots, config)
        self.complete = True

    def fail(self, error: Exception) -> None:
        self.complete = False
        if isinstance(error, OSError):
            # A full or a read-only disk is no fault of the code.
            log.error(
                str(Failure(Path(error.filename or "."), 1, str(error.strerror), code="disk"))
            )
            raise Abort("The build cannot read or write a file.") from error
        if not isinstance(error, BuildError | Abort):
            print(fault_in_build(error), file=sys.stderr)

    def end(self) -> None:
        if self.publication is None:
            return
        if not self.complete:
            self.publication.discard()
            return
        with _failing():
            self.publication.publish()
        log.info(f"Site ready in {self.publication.target}")


@contextmanager
def _failing() -> Iterator[None]:
    """MkDocs prints what its own errors say, and no traceback."""
    try:
        yield
    except Failures as error:
        raise PluginError(str(error)) from error


def _is_later_pass(config: MkDocsConfig) -> bool:
    i18n: Any = config.plugins.get("i18n")
    return i18n is not None and i18n.building


def _spare_the_index(config: MkDocsConfig) -> None:
    """The search plugin is there for its place in the theme's header: what it gathers from each
    page, which takes longer than all else, would be thrown away."""
    search = config.plugins.get("material/search")
    handlers = config.plugins.events["page_context"]
    handlers[:] = [each for each in handlers if getattr(each, "__self__", None) is not search]


def keep_templates(env: Environment) -> Environment:
    # Else each of the theme's templates is compiled anew in each pass of each build. What is
    # compiled is code: it lies beside the installed code, not in a cache that builds share.
    folder = Path(sys.prefix, ".templates")
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
    if os.access(folder, os.W_OK):
        env.bytecode_cache = FileSystemBytecodeCache(str(folder))
    return env


def let_templates_read(env: Environment, docs: Path) -> Environment:
    """`content_of("assets/print.css")` is the text of that file below `docs`, read once a pass."""
    env.globals["content_of"] = cache(lambda name: (docs / name).read_text(encoding="utf-8"))
    return env


def place_template(output: str, name: str, config: MkDocsConfig) -> str:
    """Each pass has its page for missing ones; MkDocs would write the last over the first."""
    if name != MISSING or "language" not in config.theme:
        return output
    language = str(config.theme["language"])
    if language == LANGUAGES[0]:
        return output
    path_below(Path(config.site_dir), f"{language}/{name}").write_text(output, encoding="utf-8")
    return ""


def check(settings: Path) -> int:
    """All that `mkdocs build` does, into a folder that is thrown away; returns its status."""
    with TemporaryDirectory() as folder:
        try:
            config = load_config(str(settings), site_dir=f"{folder}/site")
            # A command of this package's own: only its own hook asks which one it is.
            config.plugins.on_startup(command="check", dirty=False)  # type: ignore[arg-type]
            try:
                build(config)
            finally:
                config.plugins.on_shutdown()
        except ClickException as error:
            error.show()
            return 1
    return 0


@dataclass(frozen=True)
class Settings:
    """What books need of a site's settings: the address of the hosted site, who made it, on what
    terms, and the names of the pages of the navigation."""

    address: str
    author: str
    license: str
    names: tuple[str, ...]


def read_settings(path: Path) -> Settings:
    config = load_config(str(path))
    return Settings(
        config.site_url or "",
        config.site_author or "",
        config.extra.get("license", ""),
        tuple(_names(config.nav)),
    )


def _names(nav: Any) -> Iterator[str]:
    for entry in nav:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(target, list):
            yield from _names(target)
        else:
            yield target.removesuffix(".md")
