"""MkDocs events in build order: a table of contents; the work is in qa.adapters.mkdocs."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from qa.adapters import mkdocs as adapter

build = adapter.Build()


def on_startup(command: str, dirty: bool) -> None:
    build.start(command)


@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    return build.configure(config)


def on_pre_build(config: MkDocsConfig) -> None:
    build.prepare(config)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    return build.choose(files, config)


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> Environment:
    build.check_addresses(files, config)
    return adapter.let_templates_read(adapter.keep_templates(env), Path(config.docs_dir))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    return build.render(markdown, page)


@event_priority(-200)
def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    return adapter.place_template(output, template_name, config)


# After i18n, which builds the other languages in this event.
@event_priority(-200)
def on_post_build(config: MkDocsConfig) -> None:
    build.finish(config)


def on_build_error(error: Exception) -> None:
    build.fail(error)


def on_shutdown() -> None:
    build.end()
