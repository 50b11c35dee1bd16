// Filters the list of all questions: by text, document, theme and whether there is an answer.
{
  const place = document.querySelector(".qa-questions")
  const chinese = document.documentElement.lang === "zh"
  const say = (zh, en) => (chinese ? zh : en)
  const rows = [...place.querySelectorAll("tbody tr")].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
    document: row.cells[0].textContent[0],
    themes: [...row.querySelectorAll("a")].map((a) => a.getAttribute("href").split("/").at(-3)),
    answered: Boolean(row.querySelector("a")),
  }))
  const themes = [...new Set(rows.flatMap(({ themes }) => themes))].map((theme) => [
    theme,
    document.querySelector(`.md-tabs a[href*="${theme}/"]`)?.textContent.trim() ?? theme,
  ])

  const label = (text, control) => {
    const made = document.createElement("label")
    made.append(text, control)
    return made
  }
  const select = (options) => {
    const made = document.createElement("select")
    made.append(...options.map(([value, text]) => new Option(text, value)))
    return made
  }
  const all = ["", say("全部", "All")]
  const text = Object.assign(document.createElement("input"), { type: "search" })
  const from = select([all, ..."ABCDE"].map((d) => (Array.isArray(d) ? d : [d, d])))
  const theme = select([all, ...themes])
  const state = select([all, ["yes", say("已回答", "Answered")], ["no", say("未回答", "Open")]])
  const count = Object.assign(document.createElement("p"), { role: "status" })

  const form = document.createElement("form")
  form.append(
    label(say("包含", "Contains"), text),
    label(say("文档", "Document"), from),
    label(say("主题", "Theme"), theme),
    label(say("状态", "State"), state),
    count,
  )
  place.prepend(form)

  function filter() {
    const words = text.value.toLowerCase().split(/\s+/)
    let shown = 0
    for (const entry of rows) {
      const fits =
        words.every((word) => entry.text.includes(word)) &&
        (!from.value || entry.document === from.value) &&
        (!theme.value || entry.themes.includes(theme.value)) &&
        (!state.value || entry.answered === (state.value === "yes"))
      entry.row.hidden = !fits
      shown += fits
    }
    count.textContent = say(`${shown} 个问题`, `${shown} questions`)
  }
  form.addEventListener("input", filter)
  form.addEventListener("submit", (event) => event.preventDefault())
  filter()
}
