"""Files that nobody wrote are passed over, and how a text was saved changes nothing."""

from __future__ import annotations

from pathlib import Path

from tests.project import SampleProject

JUNK = {
    ".#sum.md": None,  # a link to nowhere: Emacs locks a file by it
    "#sum.md#": b"# Half a page",
    "sum.md~": b"# An older page",
    ".sum.md.swp": b"b0VIM\0",
    "4913": b"",
    "._sum.md": b"\0\5\26\7",
    "._more.py": b"\0\5\26\7",
    ".DS_Store": b"\0\0\0\1Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "desktop.ini": "[视图]".encode("utf-16"),
    "~$sum.docx": b"\0",
    "sum.md.orig": b"<<<<<<<",
    "sum.py.bak": b'# %% name="old"\n1 / 0\n',
    "nowhere.md": None,
    "nowhere.py": None,
    ".ipynb_checkpoints/sum-checkpoint.md": b"# S",
    ".ipynb_checkpoints/sum-checkpoint.py": b'# %% name="sum"\n1 / 0\n',
    ".ipynb_checkpoints/sum-checkpoint.ipynb": b"{}",
    "__pycache__/sum.cpython-311.pyc": b"\0",
}
FOLDERS = ("docs", "docs/zh", "docs/en/training", "notebooks", "notebooks/training", "dist")


def published(sample: SampleProject) -> set[str]:
    site = sample.root / "site"
    return {str(path.relative_to(site)) for path in site.rglob("*")}


def test_what_programs_leave_is_passed_over(sample: SampleProject) -> None:
    sample.write("notebooks/training/sum/data.json", "{}\n")
    assert sample.build().returncode == 0
    before = published(sample)
    for folder in (*FOLDERS, "notebooks/training/sum"):
        for name, content in JUNK.items():
            path = sample.path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.symlink_to("someone@somewhere.4711:1790000000")
            else:
                path.write_bytes(content)
    done = sample.build()
    assert done.returncode == 0, done.stderr
    assert "of which 0 ran now" in done.stderr
    assert published(sample) == before


def test_how_a_text_was_saved_changes_nothing(sample: SampleProject) -> None:
    page = "site/training/sum/index.html"
    before = sample.path(page).read_text()
    texts: list[Path] = []
    for pattern in ("docs/*.yml", "docs/**/*.md", "notebooks/**/*.py", "notebooks/**/*.ipynb"):
        texts += sample.root.glob(pattern)
    assert len(texts) == 9
    for path in texts:
        text = path.read_text().replace("---\n", "--- \n")
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    done = sample.build()
    assert done.returncode == 0, done.stderr
    assert "of which 0 ran now" in done.stderr
    assert sample.path(page).read_text() == before
