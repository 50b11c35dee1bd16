"""What readers take along: the site as a folder, e-books, and the executed examples.

`python -m qa.offline` makes them from a site that was built with QA_OFFLINE=1.
"""
