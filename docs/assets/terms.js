// Filters the list of terms by what their names, in both languages, and definitions hold. What is asked
// for stands in the address.
{
  const chinese = document.documentElement.lang === "zh"
  const say = (zh, en) => (chinese ? zh : en)
  const list = document.querySelector(".qa-terms")
  const letters = document.querySelector(".qa-letters")
  const plain = (text) => text.normalize("NFKC").toLowerCase()
  const terms = [...list.querySelectorAll("dt")].map((name) => {
    const parts = [name, name.nextElementSibling]
    return { parts, text: plain(parts.map((part) => part.textContent).join(" ")) }
  })

  const input = Object.assign(document.createElement("input"), { type: "search", name: "q" })
  const label = document.createElement("label")
  label.append(say("查找术语，中英文均可", "Find a term, in either language"), input)
  const count = Object.assign(document.createElement("p"), { role: "status" })
  const form = Object.assign(document.createElement("form"), { className: "qa-filter", autocomplete: "off" })
  form.append(label, count)
  letters.before(form)

  function show() {
    const words = plain(input.value).split(/\s+/)
    let shown = 0
    for (const { parts, text } of terms) {
      const fits = words.every((word) => text.includes(word))
      for (const part of parts) part.hidden = !fits
      shown += fits
    }
    letters.hidden = shown < terms.length
    count.textContent = say(`${shown} 个术语`, shown === 1 ? "1 term" : `${shown} terms`)
  }

  function read() {
    input.value = new URLSearchParams(location.search).get("q") ?? ""
    show()
    reveal()
  }

  // A link to a term shows it, whatever is asked for.
  function reveal() {
    const target = document.getElementById(location.hash.slice(1))
    if (!target?.hidden) return
    input.value = ""
    show()
    target.scrollIntoView()
  }

  form.addEventListener("input", (event) => {
    // What an input method has not finished is no word yet.
    if (event.isComposing) return
    const address = new URL(location.href)
    if (input.value) address.searchParams.set("q", input.value)
    else address.searchParams.delete("q")
    address.hash = ""
    history.replaceState(history.state, "", address)
    show()
  })
  form.addEventListener("compositionend", () => input.dispatchEvent(new Event("input", { bubbles: true })))
  form.addEventListener("submit", (event) => event.preventDefault())
  addEventListener("popstate", read)
  addEventListener("hashchange", reveal)
  read()
}
