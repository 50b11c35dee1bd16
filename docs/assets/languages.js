// Who chooses the other language goes on at the section or cell that is read.
{
  const places = document.querySelectorAll("article :is(h2, h3, h4, dt, .qa-cell)[id]")
  // Pixels from the top, below the header, where a reader is.
  const READ = 160
  // One that Python-Markdown gave to a Chinese title is another in the other language.
  const numbered = /^_\d+$/

  function place() {
    const above = [...places].filter(
      (each) =>
        each.getClientRects().length &&
        each.getBoundingClientRect().top < READ &&
        !numbered.test(each.id),
    )
    return scrollY > 0 && above.length ? above.at(-1).id : ""
  }

  for (const kind of ["click", "auxclick"])
    document.addEventListener(kind, ({ target }) => {
      const link = target.closest?.("a.md-select__link")
      if (link) link.hash = place()
    })
}
