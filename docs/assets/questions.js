// Filters the list of all questions: by text, theme, document, and whether there is an answer. What
// is chosen stands in the address, so that it is there again after a reload and on the way back.
{
  const place = document.querySelector(".qa-questions")
  const chinese = document.documentElement.lang === "zh"
  const say = (zh, en) => (chinese ? zh : en)
  const entries = [...document.querySelectorAll(".qa-bank > li")].map((item) => ({
    item,
    text: item.textContent.toLowerCase(),
    open: "open" in item.dataset,
    themes: item.dataset.themes.split(" "),
    documents: item.dataset.documents.split(" "),
  }))
  const sections = [...document.querySelectorAll(".qa-bank")].map((bank) => {
    let heading = bank
    while (heading && heading.tagName !== "H2") heading = heading.previousElementSibling
    return { bank, heading, theme: bank.dataset.theme }
  })
  const nameOf = ({ heading }) => heading.firstChild.textContent.trim()

  const label = (text, control) => {
    const made = document.createElement("label")
    made.append(...(control.type === "checkbox" ? [control, text] : [text, control]))
    return made
  }
  const select = (options) => {
    const made = document.createElement("select")
    made.append(new Option(say("全部", "All"), ""))
    made.append(...options.map(([value, text]) => new Option(text, value)))
    return made
  }
  const all = [...new Set(entries.flatMap(({ documents }) => documents))].sort()
  const waiting = entries.filter(({ open }) => open).length
  const controls = {
    contains: Object.assign(document.createElement("input"), { type: "search" }),
    theme: select(sections.map((section) => [section.theme, nameOf(section)])),
    document: select(all.map((name) => [name, name])),
    open: Object.assign(document.createElement("input"), { type: "checkbox" }),
  }
  const count = Object.assign(document.createElement("p"), { role: "status" })
  const form = Object.assign(document.createElement("form"), { autocomplete: "off" })
  form.append(
    label(say("包含", "Contains"), controls.contains),
    label(say("主题", "Theme"), controls.theme),
    label(say("文档", "Document"), controls.document),
    label(say(`也列出没有答完的 ${waiting} 个`, `Also list the ${waiting} still open`), controls.open),
    count,
  )
  place.append(form)

  function show() {
    const words = controls.contains.value.toLowerCase().split(/\s+/)
    const { theme, document: from, open } = controls
    for (const entry of entries) {
      entry.item.hidden = !(
        (open.checked || !entry.open) &&
        words.every((word) => entry.text.includes(word)) &&
        (!theme.value || entry.themes.includes(theme.value)) &&
        (!from.value || entry.documents.includes(from.value))
      )
    }
    for (const { bank, heading } of sections) {
      bank.hidden = heading.hidden = !bank.querySelector("li:not([hidden])")
    }
    const shown = entries.filter(({ item }) => !item.hidden).length
    count.textContent = say(`${shown} 个问题`, shown === 1 ? "1 question" : `${shown} questions`)
  }

  function read() {
    const chosen = new URLSearchParams(location.search)
    for (const [name, control] of Object.entries(controls)) {
      if (name === "open") control.checked = chosen.has(name)
      else control.value = chosen.get(name) ?? ""
    }
    show()
    reveal()
  }

  // A link to a question, or to a theme, shows it whatever was chosen before.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
    if (!target?.closest("[hidden]")) return
    Object.assign(controls.open, { checked: true })
    for (const name of ["contains", "theme", "document"]) controls[name].value = ""
    show()
    target.scrollIntoView()
  }

  function write() {
    const address = new URL(location.href)
    for (const [name, control] of Object.entries(controls)) {
      const value = name === "open" ? (control.checked ? "yes" : "") : control.value
      if (value) address.searchParams.set(name, value)
      else address.searchParams.delete(name)
    }
    address.hash = ""
    history.replaceState(history.state, "", address)
    show()
  }

  form.addEventListener("input", write)
  form.addEventListener("submit", (event) => event.preventDefault())
  addEventListener("popstate", read)
  addEventListener("hashchange", reveal)
  read()
}
