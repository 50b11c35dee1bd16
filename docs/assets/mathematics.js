// Arithmatex leaves \(…\) and \[…\] in elements of their own: no search through the page is needed.
for (const element of document.querySelectorAll(".arithmatex")) {
  const source = element.textContent.trim()
  katex.render(source.slice(2, -2), element, {
    displayMode: source.startsWith("\\["),
    throwOnError: false,
  })
}
