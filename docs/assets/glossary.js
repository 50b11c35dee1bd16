// The definition of a term, while the pointer or the focus is on it. A tap shows it first, with a link
// to the entry, and a second one follows. One tooltip for all terms: a component for each costs a slow
// phone a quarter of a second on a long page.
{
  const tooltip = document.createElement("div")
  tooltip.id = "qa-tooltip"
  tooltip.className = "qa-tooltip"
  tooltip.role = "tooltip"
  tooltip.hidden = true
  let shown = null
  let tapped = null

  function entryOf(term) {
    const link = document.createElement("a")
    link.href = term.href
    link.textContent = document.documentElement.lang === "zh" ? "查看词条" : "See the entry"
    return link
  }

  function show(term) {
    if (term === shown) return
    hide()
    if (!tooltip.isConnected) document.body.append(tooltip)
    shown = term
    // Browsers would show the title too.
    tooltip.textContent = term.dataset.definition ??= term.title
    tooltip.role = "tooltip"
    term.removeAttribute("title")
    term.setAttribute("aria-describedby", tooltip.id)
    tooltip.hidden = false
    const at = term.getClientRects()[0]
    const left = Math.min(at.left, document.documentElement.clientWidth - tooltip.offsetWidth - 8)
    tooltip.style.left = `${scrollX + Math.max(8, left)}px`
    tooltip.style.top = `${scrollY + at.bottom}px`
  }

  function hide() {
    shown?.removeAttribute("aria-describedby")
    shown = tapped = null
    tooltip.hidden = true
  }

  const termAt = (event) => event.target.closest?.(".qa-term, .qa-tooltip")
  for (const [enters, leaves] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    document.addEventListener(enters, (event) => {
      const at = termAt(event)
      if (at && at !== tooltip) show(at)
    })
    document.addEventListener(leaves, (event) => {
      // From the term onto its tooltip and back is no leaving.
      const to = event.relatedTarget?.closest?.(".qa-term, .qa-tooltip")
      if (shown && to !== shown && to !== tooltip) hide()
    })
  }
  let touches = false
  document.addEventListener("pointerdown", (event) => (touches = event.pointerType !== "mouse"), true)
  document.addEventListener("click", (event) => {
    const at = termAt(event)
    if (!at) hide()
    if (!at || at === tooltip || at === tapped || !touches || !event.detail) return
    event.preventDefault()
    show(at)
    tapped = at
    // What holds a link is no tooltip, and is read out at once.
    tooltip.role = "status"
    tooltip.append(entryOf(at))
  })
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide()
  })
}
