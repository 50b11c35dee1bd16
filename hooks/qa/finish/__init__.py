"""Built HTML in, HTML out: what readers get beyond what a generator makes of Markdown.

Works on the files of a built site, a folder a language, and knows nothing of how they were built.
"""
