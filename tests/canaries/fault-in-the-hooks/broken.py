def on_page_markdown(markdown, **_):
    return markdown["title"]
