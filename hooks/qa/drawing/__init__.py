"""Diagrams and formulas, drawn once and kept: from their source to SVG and HTML, without a browser.

Mermaid and KaTeX draw them in one process of Node.js, which is started only for what is not
remembered.
"""
