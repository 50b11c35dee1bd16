// Folded text: one switch for all code of a page, kept for the next one, and whatever an address
// leads to is opened. A browser opens what it finds on the page by itself.
{
  const KEY = "qa-show-all-code"
  const code = [...document.querySelectorAll("article details.qa-code")]
  const always = new Set(code.filter((details) => details.open))

  // In a folder, or by a reader's wish, nothing may be stored.
  function stored(value) {
    try {
      if (value !== undefined) localStorage.setItem(KEY, value)
      return localStorage.getItem(KEY)
    } catch {
      return null
    }
  }

  function showAll(button, all) {
    button.setAttribute("aria-pressed", all)
    for (const details of code) details.open = all || always.has(details)
  }

  function reveal() {
    let target
    try {
      target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
    } catch {
      return
    }
    // A number leads to a cell: what computed it is seen.
    const code = target?.matches(".qa-cell") ? [...target.querySelectorAll("details.qa-code")] : []
    for (let at = target?.closest("details"); at; at = at.parentElement.closest("details")) {
      code.push(at)
    }
    for (const details of code) details.open = true
    // A browser may open them too, and then stays where it was.
    if (code.length) target.scrollIntoView()
  }

  const place = document.querySelector("p.qa-unfold")
  if (place) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "qa-unfold"
    button.textContent = place.textContent
    button.addEventListener("click", () => {
      const all = button.getAttribute("aria-pressed") !== "true"
      const top = button.getBoundingClientRect().top
      showAll(button, all)
      stored(all)
      scrollBy(0, button.getBoundingClientRect().top - top)
    })
    showAll(button, stored() === "true")
    place.replaceWith(button)
  }
  reveal()
  addEventListener("hashchange", reveal)
  // The same address once more changes nothing, and no event tells of it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]")
    if (link?.hash && link.href === location.href) reveal()
  })
}
