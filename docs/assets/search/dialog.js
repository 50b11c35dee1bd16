// Shows what the engine finds, and keeps the query in the address.
window.qaSearch.start = (root) => {
  const { say, text, engine } = window.qaSearch
  const dialog = root.querySelector("dialog")
  const input = root.querySelector("input")
  const status = root.querySelector(".qa-search__status")
  const list = root.querySelector("ol")
  const { search } = engine(window.searchIndex)
  const base = new URL("..", new URL(root.dataset.index, location.href))
  const SNIPPET = { zh: 110, en: 200 }[document.documentElement.lang] ?? 200
  const BEFORE = SNIPPET / 3
  const CLAUSE = /[。！？；，：,;:!?]\s*|\.\s+/gu
  const PAUSE = 300 // milliseconds

  function element(name, attributes, ...content) {
    const made = Object.assign(document.createElement(name), attributes)
    made.append(...content)
    return made
  }

  // Where terms stand in a line, places that touch joined.
  function places(line, terms) {
    const found = []
    for (const { token, index, end } of text.tokens(line)) {
      if (!terms.has(token)) continue
      if (found.length && index <= found.at(-1).end) {
        found.at(-1).end = Math.max(end, found.at(-1).end)
        found.at(-1).terms.add(token)
      } else found.push({ index, end, terms: new Set([token]) })
    }
    return found
  }

  // A quotation begins with a line or a clause, or at least with a word, and ends so.
  function startOf(line, first) {
    if (first <= BEFORE) return 0
    const clauses = [...line.matchAll(CLAUSE)].map(({ 0: mark, index }) => index + mark.length)
    const clause = clauses.filter((at) => at <= first && at >= first - SNIPPET / 2).at(0)
    return clause ?? wordAt(line, first - BEFORE)
  }

  function wordAt(line, place) {
    let at = Math.max(0, Math.round(place))
    while (at > 0 && !text.HAN.test(line[at]) && /\S/.test(line[at - 1])) at--
    return at
  }

  function snippet(number, terms) {
    const lines = (window.searchTexts?.[number] ?? "").split("\n").filter((line) => line.length > 12)
    if (!lines.length) return []
    const found = lines.map((line) => places(line, terms))
    const count = (marks) => new Set(marks.flatMap((mark) => [...mark.terms])).size
    const best = found.reduce((b, marks, i) => (count(marks) > count(found[b]) ? i : b), 0)
    const line = lines[best]
    const start = startOf(line, found[best][0]?.index ?? 0)
    const whole = line.length <= start + SNIPPET
    const end = whole ? line.length : wordAt(line, start + SNIPPET)
    const out = [start > 0 ? "…" : ""]
    let at = start
    for (const mark of found[best]) {
      if (mark.index < at || mark.end > end) continue
      out.push(line.slice(at, mark.index), element("mark", {}, line.slice(mark.index, mark.end)))
      at = mark.end
    }
    out.push(line.slice(at, end).trimEnd(), whole ? "" : "…")
    return out
  }

  const address = (page, anchor) =>
    new URL((page.address || "./") + (anchor && `#${anchor}`), base).href

  // The best section is named and linked first; what a page says below its title bears its name.
  function item({ page, sections }, terms) {
    const [best, ...others] = sections
    const named = (className, text) => element("span", { className }, text)
    const title = [named("qa-search__page", page.title)]
    if (best.anchor) title.push(named("qa-search__section", best.title))
    if (best.state) title.push(named("qa-search__state", best.state))
    const link = ({ anchor, title }) => element("a", { href: address(page, anchor) }, title)
    return element(
      "li",
      {},
      element("a", { href: address(page, best.anchor) }, ...title),
      element("p", {}, ...snippet(best.number, terms)),
      element("div", {}, ...others.filter(({ anchor }) => anchor).map(link)),
    )
  }

  function show() {
    const query = input.value.trim()
    const { results, terms } = query ? search(query) : { results: [] }
    list.replaceChildren(...results.map((result) => item(result, terms)))
    const { one, other } = root.dataset
    if (!query) say("empty")
    else if (!results.length) say("none")
    else status.textContent = results.length === 1 ? one : other.replace("#", results.length)
  }

  // The address is changed in place: a search makes no history.
  let waiting
  function write(query) {
    clearTimeout(waiting)
    const changed = new URL(location.href)
    if (query) changed.searchParams.set("q", query)
    else changed.searchParams.delete("q")
    if (changed.href !== location.href) history.replaceState(history.state, "", changed)
  }

  function update() {
    if (window.qaSearch.composing) return
    show()
    clearTimeout(waiting)
    // A word may have been begun meanwhile.
    waiting = setTimeout(() => window.qaSearch.composing || write(input.value.trim()), PAUSE)
  }

  function move(by) {
    const stops = [input, ...list.querySelectorAll("li > a")]
    const at = stops.indexOf(document.activeElement)
    stops[(Math.max(at, 0) + by + stops.length) % stops.length].focus()
  }

  input.addEventListener("input", update)
  input.addEventListener("compositionend", update)
  dialog.addEventListener("close", () => write(""))
  dialog.addEventListener("click", (event) => {
    const example = event.target.closest("[data-example]")
    if (example) {
      input.value = example.textContent
      input.focus()
      update()
    } else if (event.target.closest("ol a")) write(input.value.trim())
    else if (event.target === dialog) dialog.close()
  })
  dialog.addEventListener("keydown", (event) => {
    // While a word is composed, all keys are the input method's.
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === "ArrowDown") move(1)
    else if (event.key === "ArrowUp") move(-1)
    else if (event.key === "Enter" && event.target === input) list.querySelector("a")?.click()
    else return
    event.preventDefault()
  })

  window.qaSearch.show = show
  update()
}
