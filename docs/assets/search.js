// Search in the pages of the reader's language. Index and libraries load when it is first opened.
// Chinese is indexed by pairs of characters, as Lucene's CJK analyser does: no dictionary decides
// which words exist, so that parts of long terms and the last word of a query are found too.
(() => {
  const root = document.querySelector(".qa-search")
  const dialog = root.querySelector("dialog")
  const input = root.querySelector("input")
  const status = root.querySelector(".qa-search__status")
  const list = root.querySelector("ol")

  const WORD = /\p{sc=Han}+|(?:(?!\p{sc=Han})[\p{L}\p{N}@_])+/gu
  const HAN = /\p{sc=Han}/u
  const COMMON = new Set(
    ("a an and are as at be but by can could do does for from has have how i if in into is it its " +
      "me my no not of on one or our should so that the them then there these this to two was we " +
      "what when where which while who why will with you your " +
      "怎么 么办 么写 什么 如何 怎样 为什 没有 有用 可以 多少 哪个 还是 吗 了 的 是 要 不要 应该 需要").split(" "),
  )
  const PAGES = 10
  const SECTIONS = 3
  const SNIPPET = 120

  function words(text) {
    return (text.toLowerCase().match(WORD) || []).flatMap((word) => {
      if (!HAN.test(word) || word.length === 1) return [word]
      return Array.from({ length: word.length - 1 }, (_, i) => word.slice(i, i + 2))
    })
  }

  // British and American spelling meet: quantisation and quantization, neighbour and neighbor.
  function term(word) {
    if (COMMON.has(word)) return null
    if (!/^[a-z]+$/.test(word)) return word
    return stemmer(word.replace(/is(?=(e[drs]?|ing|ations?)$)/, "iz").replace("our", "or"))
  }

  const load = (address) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script")
      script.onload = resolve
      script.onerror = () => reject(new Error(`cannot load ${address}`))
      script.src = address
      document.head.append(script)
    })

  let engine
  async function prepare() {
    await Promise.all([...root.dataset.libraries.split(" "), root.dataset.index].map(load))
    const { pages, sections } = window.searchIndex
    engine = new MiniSearch({
      fields: ["page", "about", "title", "text"],
      tokenize: words,
      processTerm: term,
      extractField: (section, field) =>
        field === "page"
          ? pages[section.page].title
          : field === "about"
            ? pages[section.page].about
            : section[field],
      searchOptions: {
        // By trial, on the queries in tests/browser/queries.yml; values nearby do as well.
        boost: { page: 2, about: 0.5 },
        bm25: { k: 2, b: 0.3, d: 0 },
        prefix: (word, i, all) => i === all.length - 1 && /^[a-z]{3}/.test(word),
        fuzzy: (word) => /^[a-z]{5}/.test(word) && 0.2,
        maxFuzzy: 1,
        weights: { fuzzy: 0.2, prefix: 0.4 },
      },
    })
    engine.addAll(sections.map((section, id) => ({ id, ...section })))
  }

  // A page counts what its best sections do; a section counts more the more of the query it has.
  function search(query, asked) {
    const { pages, sections } = window.searchIndex
    const found = new Map()
    for (const { id, score, queryTerms } of engine.search(query)) {
      const { page } = sections[id]
      const hit = { section: sections[id], score: score * (queryTerms.length / asked.size) ** 1.5 }
      if (!found.has(page)) found.set(page, [])
      found.get(page).push(hit)
    }
    return [...found]
      .map(([number, hits]) => {
        hits.sort((a, b) => b.score - a.score)
        const score = hits.reduce((sum, hit, i) => sum + hit.score * 0.8 ** i, 0)
        const page = pages[number]
        return { page, hits: hits.slice(0, SECTIONS), score: score * page.boost }
      })
      .sort((a, b) => b.score - a.score)
      .slice(0, PAGES)
  }

  function marked(text, asked) {
    const places = []
    for (const { 0: word, index } of text.matchAll(WORD)) {
      if (!HAN.test(word)) {
        if (asked.has(term(word.toLowerCase()))) places.push([index, index + word.length])
        continue
      }
      for (let i = 0; i < Math.max(1, word.length - 1); i++) {
        const length = Math.min(2, word.length)
        if (asked.has(word.slice(i, i + length))) places.push([index + i, index + i + length])
      }
    }
    return places
  }

  // The part of the text that has most of the query, with its words marked.
  function snippet(text, asked) {
    const places = marked(text, asked)
    const within = (start) => places.filter(([a]) => a >= start && a < start + SNIPPET).length
    const starts = places.map(([a]) => a)
    const best = starts.reduce((b, s) => (within(s) > within(b) ? s : b), starts[0] || 0)
    const start = Math.max(0, best - 20)
    const end = Math.min(text.length, start + SNIPPET)
    const out = [start > 0 ? "…" : ""]
    let at = start
    for (const [a, b] of places) {
      if (a < at - 1 || b > end) continue
      const mark = document.createElement("mark")
      mark.textContent = text.slice(Math.max(a, at), b)
      out.push(text.slice(at, Math.max(a, at)), mark)
      at = b
    }
    out.push(text.slice(at, end), end < text.length ? "…" : "")
    return out
  }

  function element(name, attributes, ...content) {
    const made = Object.assign(document.createElement(name), attributes)
    made.append(...content)
    return made
  }

  function show() {
    if (!engine) return
    const query = input.value.trim()
    const asked = new Set(words(query).map(term).filter(Boolean))
    const results = query ? search(query, asked) : []
    const { none, one, other } = root.dataset
    const count = results.length
    status.textContent =
      count === 0 ? (query ? none : "") : count === 1 ? one : other.replace("#", count)
    const base = new URL("..", new URL(root.dataset.index, location.href))
    const address = (page, anchor) =>
      new URL((page.address || "./") + (anchor && `#${anchor}`), base).href
    list.replaceChildren(
      ...results.map(({ page, hits }) => {
        const best = hits[0].section
        const parts = hits
          .map(({ section }) => section)
          .filter(({ anchor }) => anchor)
          .map(({ anchor, title }) => element("a", { href: address(page, anchor) }, title))
        return element(
          "li",
          {},
          element("a", { href: address(page, "") }, page.title),
          element("p", {}, ...snippet(best.text || best.title, asked)),
          element("div", {}, ...parts),
        )
      }),
    )
  }

  let ready
  function open() {
    if (dialog.open) return
    dialog.showModal()
    input.focus()
    input.select()
    dialog.ariaBusy = !engine
    ready ??= prepare()
      .then(show, (error) => {
        ready = undefined
        status.textContent = error.message
      })
      .finally(() => (dialog.ariaBusy = false))
  }

  function move(by) {
    const stops = [input, ...list.querySelectorAll("li > a")]
    const at = stops.indexOf(document.activeElement)
    stops[(Math.max(at, 0) + by + stops.length) % stops.length].focus()
  }

  root.querySelector(".qa-search__open").addEventListener("click", open)
  input.addEventListener("input", show)
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("ol a")) dialog.close()
  })
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(1)
    else if (event.key === "ArrowUp") move(-1)
    else if (event.key === "Enter" && event.target === input) list.querySelector("a")?.click()
    else return
    event.preventDefault()
  })
  document.addEventListener("keydown", (event) => {
    // For a moment the field keeps the focus after the dialog has closed.
    const typing =
      event.target === input
        ? dialog.open
        : event.target.closest("input, textarea, select, [contenteditable]")
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    open()
  })
})()
