"""What the build counts, for pages without a notebook to name in `{{ }}`."""

from __future__ import annotations

from collections.abc import Mapping

from qa.pages.account import Account
from qa.pages.corpus import Corpus
from qa.run.store import Result, Scalar


def statistics(
    results: Mapping[str, Result], corpus: Corpus, account: Account
) -> dict[str, Scalar]:
    return {
        "examples": len(results),
        "cells": sum(len(result.cells) for result in results.values()),
        "example_seconds": sum(result.seconds for result in results.values()),
        "questions": len(corpus.questions),
        "questions_answered": corpus.answered,
        "questions_distinct": len(corpus.distinct),
        "questions_repeated": len(corpus.questions) - len(corpus.distinct),
        "questions_distinct_answered": sum(corpus.is_answered(q) for q, *_ in corpus.distinct),
        "documents": len(corpus.documents),
        "blocks_run": account.ran,
        "blocks_checked": account.checked,
        "blocks_waived": len(account.waived),
        "diagrams": account.diagrams,
    }
