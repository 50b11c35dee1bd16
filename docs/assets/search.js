// Opens the search: by its button, by / or Ctrl+K, and by `?q=` in the address. All else that it
// needs, the index too, loads when it is first opened.
window.qaSearch = {}
{
  const root = document.querySelector(".qa-search")
  const dialog = root.querySelector("dialog")
  const input = root.querySelector("input")
  const { qaSearch } = window

  // Each once; what could not be loaded is asked for again.
  const loaded = new Set()
  const load = (address) =>
    new Promise((resolve, reject) => {
      if (loaded.has(address)) return resolve()
      const script = document.createElement("script")
      script.onload = () => resolve(loaded.add(address))
      script.onerror = () => reject(new Error(`cannot load ${address}`))
      script.src = address
      document.head.append(script)
    })

  // Shows what one of the templates says: nothing typed yet, loading, nothing found, not loaded.
  qaSearch.say = (state) => {
    const said = root.querySelector(`template[data-state="${state}"]`).content.cloneNode(true)
    for (const place of said.querySelectorAll("[data-query]")) place.textContent = input.value.trim()
    root.querySelector(".qa-search__status").replaceChildren(said)
  }

  let ready
  async function prepare() {
    dialog.ariaBusy = true
    qaSearch.say("loading")
    try {
      await Promise.all([...root.dataset.scripts.split(" "), root.dataset.index].map(load))
      qaSearch.start(root)
    } catch {
      ready = undefined
      qaSearch.say("failed")
    }
    dialog.ariaBusy = false
    // What results quote can come later than the results.
    if (ready) load(root.dataset.texts).then(() => qaSearch.composing || qaSearch.show(), () => {})
  }

  function open() {
    if (!dialog.open) dialog.showModal()
    input.focus()
    input.select()
    ready ??= prepare()
  }

  // A word may be begun before the rest is loaded.
  input.addEventListener("compositionstart", () => (qaSearch.composing = true))
  input.addEventListener("compositionend", () => (qaSearch.composing = false))
  root.querySelector(".qa-search__open").addEventListener("click", open)
  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-retry]")) open()
  })
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.altKey) return
    const command = event.ctrlKey || event.metaKey
    // For a moment the field keeps the focus after the dialog has closed.
    const typing =
      event.target === input
        ? dialog.open
        : event.target.closest?.("input, textarea, select, [contenteditable]")
    if (command ? event.key.toLowerCase() !== "k" : event.key !== "/" || typing) return
    event.preventDefault()
    open()
  })

  const asked = new URLSearchParams(location.search).get("q")
  if (asked) {
    input.value = asked
    open()
  }
}
