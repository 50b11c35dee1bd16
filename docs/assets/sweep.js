// A slider over the rows of a sweep's table. It computes nothing: all it says stands in the table.
{
  const text = (cell) => cell.textContent.trim()
  const element = (name, attributes, ...content) => {
    const made = Object.assign(document.createElement(name), attributes)
    made.append(...content)
    return made
  }

  for (const place of document.querySelectorAll("article .qa-slider")) {
    const table = place.parentElement.querySelector("table")
    const [heads, [assumption]] = [...table.tHead.rows].map((row) => [...row.cells].map(text))
    const rows = [...table.tBodies[0].rows]
    const sides = place.dataset.sides.split("|")
    const id = `${place.closest(".qa-cell").id}-slider`
    const input = element("input", {
      type: "range", id, min: 0, max: rows.length - 1, step: 1, value: place.dataset.start,
    })
    const value = element("strong")
    const side = element("p")
    const quantities = heads.slice(1).map((name) => ({ name, value: element("strong") }))

    function show() {
      const row = rows[input.value]
      const [assumed, ...values] = [...row.cells].map(text)
      value.textContent = assumed
      side.textContent = sides[input.value] ?? ""
      values.forEach((each, number) => (quantities[number].value.textContent = each))
      for (const each of rows) each.removeAttribute("aria-current")
      row.setAttribute("aria-current", "true")
      const said = quantities.map((each) => `${each.name}: ${each.value.textContent}`)
      input.setAttribute("aria-valuetext", [assumed, side.textContent, ...said].filter(Boolean).join(", "))
    }

    input.addEventListener("input", show)
    show()
    place.replaceChildren(
      element("div", {}, element("label", { htmlFor: id }, assumption), value),
      input,
      side,
      ...quantities.map((each) => element("div", {}, each.name, each.value)),
    )
  }
}
