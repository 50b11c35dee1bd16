"""Zensical builds the pages: it reads the same settings, one language at a time, and no hooks.

`python -m qa.adapters.zensical`, in the folder that holds mkdocs.yml.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from qa import LANGUAGES, files, for_programs, root_of, site_files
from qa.failures import Failure, Failures
from qa.finish.addresses import relative
from qa.finish.publishing import Publication
from qa.finishing import finish
from qa.prepare import prepare
from qa.project import Project
from qa.rendering import render_page
from qa.site import Site

SETTINGS = "mkdocs.yml"
OURS = ("sources", "level", "tags", "labels")
"""Of the front matter of a page: the engine shows its tags, with links."""
ONLY_MKDOCS = ("hooks", "plugins", "watch")
ROOTS = {language: root_of(language) for language in LANGUAGES}


@dataclass(frozen=True)
class Foreign:
    """A value that only the generator understands, such as the name of a function."""

    node: yaml.Node


class Loader(yaml.SafeLoader):
    """Reads settings as MkDocs does."""


class Dumper(yaml.SafeDumper):
    """Writes them."""


def _from_environment(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    """`!ENV NAME`, or `!ENV [NAME, ..., default]`."""
    if not isinstance(node, yaml.SequenceNode):
        return os.environ.get(str(node.value))
    *names, default = loader.construct_sequence(node)
    return next((os.environ[name] for name in names if name in os.environ), default)


Loader.add_constructor("!ENV", _from_environment)
Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _, __, node: Foreign(node))
Dumper.add_representer(Foreign, lambda _, value: value.node)


def build(root: Path) -> None:
    """Raises Failures, and then leaves the last good site."""
    settings = yaml.load(files.read_text(root / SETTINGS), Loader)
    project = Project(root)
    site = prepare(project)
    publication = Publication(root / settings.get("site_dir", "site"))
    try:
        for language in LANGUAGES:
            work = project.cache / "zensical" / language
            built = _build(site, root, work, _settings(settings, root, language))
            left_out = shutil.ignore_patterns("search.json", "sitemap.xml")
            target = publication.folder / ROOTS[language]
            shutil.copytree(built, target, ignore=left_out, dirs_exist_ok=True)
        address = settings.get("site_url") or ""
        site_files.write(site, publication.folder)
        for_programs.write(site, publication.folder, address)
        served = settings.get("use_directory_urls", True)
        finish(site, publication.folder, address, served, ROOTS, settings)
    except BaseException:
        publication.discard()
        raise
    publication.publish()


def _settings(settings: dict[str, Any], root: Path, language: str) -> dict[str, Any]:
    """Those of one language, as mkdocs-static-i18n would set them."""
    plugins = (each for each in settings["plugins"] if isinstance(each, dict) and "i18n" in each)
    languages = next(plugins)["i18n"]["languages"]
    own = next(each for each in languages if each["locale"] == language)
    theme = dict(settings["theme"]) | {"language": language, "variant": "classic"}
    if folder := theme.get("custom_dir"):
        theme["custom_dir"] = str(root / folder)
    choices = [
        {"name": each["name"], "lang": each["locale"], "link": f"/{ROOTS[each['locale']]}"}
        for each in languages
    ]
    made = {key: value for key, value in settings.items() if key not in ONLY_MKDOCS}
    made |= {key: own[key] for key in ("site_name", "site_description") if key in own}
    made |= {"docs_dir": "docs", "site_dir": "site", "theme": theme}
    made["extra"] = made.get("extra", {}) | {"alternate": choices, "alone": True}
    if address := made.get("site_url"):
        made["site_url"] = f"{address.rstrip('/')}/{ROOTS[language]}"
    if "nav" in made:
        made["nav"] = _translated(made["nav"], own.get("nav_translations", {}))
    return made


def _translated(nav: Any, names: dict[str, str]) -> Any:
    if isinstance(nav, list):
        return [_translated(entry, names) for entry in nav]
    if isinstance(nav, dict):
        return {names.get(name, name): _translated(entry, names) for name, entry in nav.items()}
    return nav


def _build(site: Site, root: Path, work: Path, settings: dict[str, Any]) -> Path:
    """The folder of one language, built. Raises Failures with what Zensical says."""
    shutil.rmtree(work, ignore_errors=True)
    _write_docs(site, root / "docs", work / "docs", settings["theme"]["language"])
    text = yaml.dump(settings, Dumper=Dumper, allow_unicode=True)
    files.path_below(work, SETTINGS).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "-f", str(work / SETTINGS)]
    if settings.get("strict"):
        command.append("--strict")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise Failures([Failure(root / SETTINGS, 1, "Zensical refuses", said, "zensical")])
    return work / "site"


def _write_docs(site: Site, docs: Path, target: Path, language: str) -> None:
    """Rendered pages, and the files beside them: the language's own, or those of the first."""
    for folder in (docs, docs / LANGUAGES[0], docs / language):
        for path in files.below(folder, "**/*"):
            name = path.relative_to(folder)
            of_language = folder == docs and name.parts[0] in LANGUAGES
            if path.suffix not in (".md", ".yml") and not of_language:
                shutil.copyfile(path, files.path_below(target, name.as_posix()))
    for path, page in site.by_path.items():
        if page.language == language:
            # Zensical reads addresses in HTML too as ways from file to file.
            to_root = relative("", f"{ROOTS[language]}{page.name}.md")
            text = render_page(site, path, to_root) or ""
            header = json.dumps({key: page.meta[key] for key in page.meta if key not in OURS})
            files.path_below(target, f"{page.name}.md").write_text(
                f"---\n{header}\n---\n{text}", encoding="utf-8"
            )


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        build(Path.cwd())
    except Failures as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
