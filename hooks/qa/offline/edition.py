"""What stands on a book beside its chapters: title, who made it, when, and what it is."""

from __future__ import annotations

import html
from dataclasses import dataclass

from qa.words import WORDS


@dataclass(frozen=True)
class Edition:
    """`date` is that of the newest change; `address` is the hosted site's, `author` and `license`
    are names; what is not known is empty. `answers` is how many the book holds."""

    language: str
    date: str
    answers: int
    address: str = ""
    author: str = ""
    license: str = ""

    @property
    def title(self) -> str:
        return WORDS[self.language].site

    @property
    def preface(self) -> str:
        """As HTML: what this is, how it was made, and on what terms it may be used."""
        words = WORDS[self.language]
        paragraphs = [words.preface.format(answers=self.answers, date=self.date)]
        paragraphs += [words.preface_parts]
        for what, value in (
            (words.hosted, self.address),
            (words.maintainer, self.author),
            (words.license, self.license),
        ):
            if value:
                paragraphs.append(f"{what}{words.colon}{value}")
        body = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
        return f'<h1 id="preface">{words.preface_title}</h1>{body}'
