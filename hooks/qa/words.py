"""All text of the engine that readers see, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What is said in one language; names in braces stand for what is filled in."""

    site: str
    as_of: str
    site_in_short: str
    for_programs: str
    """Says to programs that read what they find."""
    maintainer: str
    license: str
    repository: str
    edit: str
    report: str
    report_title: str
    report_text: str
    """What an issue about a page begins with."""
    changes_of: str
    show_code: tuple[str, str]
    """Of several lines, and of one."""
    colon: str
    show_all_code: str
    permalink: str
    cited_in: str
    flips: str
    """Where the claim of a sweep does."""
    never_flips: str
    sides_of_flip: tuple[str, str, str]
    lead: str
    """The title of the box on top of an answer."""
    sections: Mapping[str, str]
    """Those of an answer, in their order, by their anchors."""
    at_a_glance: str
    jumps: Mapping[str, str]
    """By the anchors of sections."""
    level: str
    levels: Mapping[str, str]
    related: str
    run: str
    how_it_ran: str
    planted: str
    not_planted: str
    written: str
    not_measured: str
    credited: Mapping[str, str]
    """What something is that has a maker and a licence."""
    used_on: str
    notebook: str
    notebook_and_files: str
    separator: str
    open_question: str
    partly_answered: str
    repeats: str
    questions_head: tuple[str, ...]
    runs_head: tuple[str, ...]
    facts: str
    overdue: str
    sourced: str
    used_by: str
    waivers_head: tuple[str, ...]
    downloads_head: tuple[str, ...]
    downloads: Mapping[str, str]
    """By the end of a file's name, in the order of the list."""
    no_downloads: str
    book: str
    contents: str
    preface_title: str
    preface: str
    preface_parts: str
    hosted: str
    examples_readme: str
    comparison_head: tuple[str, ...]
    measured: str
    outcomes: Mapping[str, str]


WORDS = {
    "zh": Words(
        site="大模型工程问答",
        as_of="截至 {date}",
        site_in_short="大模型问答",
        for_programs="每一页都有 Markdown 文本：代码、输出和数字来自构建时的运行，图按地址给出。",
        maintainer="维护者",
        license="许可",
        repository="源代码",
        edit="编辑此页",
        report="报告错误",
        report_title="{title}：有错误",
        report_text="页面：{page}\n语言：{language}\n版本：{version}\n\n哪里不对，应当是什么：\n",
        changes_of="{site}：更新",
        show_code=("显示代码（{count} 行）", "显示代码（{count} 行）"),
        colon="：",
        show_all_code="显示全部代码",
        permalink="本单元的链接",
        cited_in="引用这里的数字：{places}",
        flips="翻转点：{assumption} = {value}",
        never_flips="在扫过的范围内，结论不翻转。",
        sides_of_flip=("翻转点之前", "正在翻转点", "翻转点之后"),
        lead="30 秒回答",
        sections={
            "ask-first": "先问清楚",
            "answer": "要点",
            "trade-offs": "取舍",
            "do-this": "照做",
            "run": "跑一遍",
            "mistakes": "常见错误",
            "limits": "什么时候结论会变",
            "follow-ups": "追问",
            "references": "参考",
        },
        at_a_glance="{date} 在 {processor} 上运行 · {cells} 个单元 · 约 {minutes} 分钟",
        jumps={"trade-offs": "直接看取舍", "run": "直接看运行"},
        level="难度",
        levels={"introductory": "入门", "intermediate": "进阶", "advanced": "深入"},
        related="相关页面",
        run="运行于 {when}(UTC)· Python {python} · {system} · {processor} · {versions} · "
        "处理器用时 {processor_seconds:.1f} 秒 · 库之外的内存峰值 {memory:.0f} MiB",
        how_it_ran="运行环境",
        planted="在代码里随机植入 {planted} 处错误，{caught} 处被发现。",
        not_planted="随机植入错误：这一版尚未测过。",
        written="另有 {written} 处专为推翻结论而植入，测试要求断言逐一发现。",
        not_measured="这一版未测",
        credited={"weights": "模型权重", "engine": "推理引擎"},
        used_on="，用于：",
        notebook="下载执行后的 Notebook",
        notebook_and_files="下载 Notebook 及其文件",
        separator="、",
        open_question="尚未回答",
        partly_answered="部分回答",
        repeats="（与 {id} 逐字相同）",
        questions_head=("编号", "问题", "回答"),
        runs_head=(
            "示例",
            "发现的随机错误",
            "针对结论的错误",
            "运行于 (UTC)",
            "处理器",
            "Python",
            "库",
            "处理器用时 (s)",
            "内存 (MiB)",
        ),
        facts="本页用到的、会过时的事实（{count} 项）",
        overdue="{date} 起待复核",
        sourced="{facts}（{source}）",
        used_by="用到的页面：",
        waivers_head=("位置", "语言", "理由"),
        downloads_head=("内容", "文件", "大小"),
        downloads={
            "site.zip": "离线版网站，中英文",
            "zh.epub": "电子书，中文",
            "en.epub": "电子书，英文",
            "zh.pdf": "PDF，中文",
            "en.pdf": "PDF，英文",
            "examples.zip": "执行后的示例",
        },
        no_downloads="这一份网站没有附带下载文件。",
        book="训练、推理服务、计费与安全：每个答案都在构建时运行过",
        contents="目录",
        preface_title="关于这本书",
        preface="这本书是网站“大模型工程问答”的一份拷贝，内容截至 {date}，共 {answers} 篇答案。"
        "每篇答案的代码都在构建时运行过，断言通过才会发布；正文里的数字取自那次运行，或附有出处。",
        preface_parts="每一章回答一个问题：先给出 30 秒的结论，再问清会改变结论的条件，"
        "然后是要点、取舍、做法、运行、常见错误和边界。蓝线框里是结论，灰底是代码，左侧蓝线是输出。",
        hosted="网站",
        examples_readme="# 示例\n\n每个文件夹是一页的示例：执行过的 Notebook，和它用到的文件。"
        "要自己再跑，用 Python 3.11：\n\n```sh\npip install -r requirements.txt jupyterlab\n"
        "jupyter lab\n```\n\n数字会因机器而异，断言应当都通过。\n",
        comparison_head=("故障", "本站"),
        measured="{date} 在 Python {python} 上测得。",
        outcomes={
            "located": "● 定位",
            "caught": "◐ 发现",
            "passes": "○ 放过",
            "stopped": "■ 被叫停",
            "refused": "– 不适用",
        },
    ),
    "en": Words(
        site="Large-Model Engineering Q&A",
        as_of="as of {date}",
        site_in_short="Large-Model Q&A",
        for_programs="Each page is there as Markdown: its code, outputs and numbers come from the "
        "run at build time; figures are given by their addresses.",
        maintainer="Maintained by",
        license="Licence",
        repository="Source",
        edit="Edit this page",
        report="Report an error",
        report_title="Error in: {title}",
        report_text="Page: {page}\nLanguage: {language}\nVersion: {version}\n\n"
        "What is wrong, and what it should be:\n",
        changes_of="{site}: changes",
        show_code=("Show the code ({count} lines)", "Show the code ({count} line)"),
        colon=": ",
        show_all_code="Show all code",
        permalink="Link to this cell",
        cited_in="Its numbers stand in: {places}",
        flips="The answer flips at {assumption} = {value}",
        never_flips="The answer does not flip within this range.",
        sides_of_flip=("before the flip", "at the flip", "beyond the flip"),
        lead="The answer in 30 seconds",
        sections={
            "ask-first": "Ask first",
            "answer": "The answer",
            "trade-offs": "Trade-offs",
            "do-this": "Do this",
            "run": "Run it",
            "mistakes": "Common mistakes",
            "limits": "When the answer changes",
            "follow-ups": "Follow-up questions",
            "references": "References",
        },
        at_a_glance="Ran on {date} on {processor} · {cells} cells · {minutes} min read",
        jumps={"trade-offs": "To the decision", "run": "To the run"},
        level="Level",
        levels={
            "introductory": "Introductory",
            "intermediate": "Intermediate",
            "advanced": "Advanced",
        },
        related="Related pages",
        run="Ran on {when} (UTC) · Python {python} · {system} · {processor} · {versions} · "
        "{processor_seconds:.1f} s of processor time · "
        "peak memory beside the libraries {memory:.0f} MiB",
        how_it_ran="How it ran",
        planted="{caught} of {planted} faults planted at random in its code were caught.",
        not_planted="Faults planted at random in its code: not measured for this version.",
        written=" The tests require that {written} others, each making a claim false, be caught.",
        not_measured="not measured for this version",
        credited={"weights": "Model weights", "engine": "Inference engine"},
        used_on="; used on ",
        notebook="Download the executed notebook",
        notebook_and_files="Download the notebook and its files",
        separator=", ",
        open_question="not answered yet",
        partly_answered="partly answered",
        repeats=" (the same words as {id})",
        questions_head=("No.", "Question", "Answer"),
        runs_head=(
            "Example",
            "Random faults caught",
            "Faults against its claims",
            "Ran on (UTC)",
            "Processor",
            "Python",
            "Libraries",
            "Processor time (s)",
            "Memory (MiB)",
        ),
        facts="Facts on this page that change ({count})",
        overdue="to be reviewed since {date}",
        sourced="{facts} ({source})",
        used_by="Used by: ",
        waivers_head=("Place", "Language", "Reason"),
        downloads_head=("What", "File", "Size"),
        downloads={
            "site.zip": "The site offline, both languages",
            "en.epub": "E-book, English",
            "zh.epub": "E-book, Chinese",
            "en.pdf": "PDF, English",
            "zh.pdf": "PDF, Chinese",
            "examples.zip": "The executed examples",
        },
        no_downloads="This copy of the site comes without downloads.",
        book="Training, serving, billing and security: every answer ran when it was built",
        contents="Contents",
        preface_title="About this book",
        preface="This book is a copy of the site “Large-Model Engineering Q&A” as of {date}, with "
        "{answers} answers. The code of each answer ran when the book was built, and is published "
        "only if its assertions hold; the numbers in the text come from that run, or are cited.",
        preface_parts="Each chapter answers one question: the answer in 30 seconds, what to ask "
        "first, the points, the trade-offs, what to do, the run, common mistakes and limits. A "
        "blue frame holds the answer, a grey ground code, and a blue line stands beside output.",
        hosted="Site",
        examples_readme="# The examples\n\nEach folder is the example of one page: the notebook as "
        "it ran, and the files it uses. To run them yourself, with Python 3.11:\n\n```sh\n"
        "pip install -r requirements.txt jupyterlab\njupyter lab\n```\n\n"
        "Numbers differ from machine to machine; all assertions should hold.\n",
        comparison_head=("Fault", "This site"),
        measured="Measured on {date} with Python {python}.",
        outcomes={
            "located": "● located",
            "caught": "◐ caught",
            "passes": "○ passes",
            "stopped": "■ stopped",
            "refused": "– refused",
        },
    ),
}
