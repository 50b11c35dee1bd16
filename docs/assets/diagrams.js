// Draws the diagrams of a page when they come near: the library is larger than all the rest, and a
// visit that ends above them does not load it.
(() => {
  const library = document.currentScript.dataset.library
  const figures = [...document.querySelectorAll("pre.qa-diagram")].map((pre, number) => {
    const place = document.createElement("div")
    place.className = "qa-diagram"
    const heading = headingAbove(pre)
    const source = pre.textContent
    pre.replaceWith(place)
    return { place, source, label: heading?.firstChild.textContent ?? document.title, number }
  })

  function headingAbove(node) {
    for (let at = node; at; at = at.previousElementSibling || at.parentElement)
      if (/^H[1-6]$/.test(at.tagName)) return at
    return null
  }

  let loading
  const load = () =>
    (loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script")
      script.onload = resolve
      script.onerror = reject
      script.src = library
      document.head.append(script)
    }))

  let drawings = 0
  async function draw(figure) {
    figure.wanted = true
    await load()
    const dark = document.body.dataset.mdColorScheme === "slate"
    mermaid.initialize({
      startOnLoad: false,
      theme: dark ? "dark" : "neutral",
      fontFamily: getComputedStyle(document.body).fontFamily,
      themeVariables: { fontSize: "15px", ...(dark && { edgeLabelBackground: "#333" }) },
    })
    const { svg } = await mermaid.render(`diagram-${drawings++}`, figure.source)
    figure.place.innerHTML = svg
    const drawn = figure.place.firstElementChild
    drawn.setAttribute("role", "img")
    drawn.setAttribute("aria-label", figure.label)
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue
        near.unobserve(target)
        draw(figures.find(({ place }) => place === target))
      }
    },
    { rootMargin: "200px" },
  )
  for (const { place } of figures) near.observe(place)

  new MutationObserver(() => figures.filter(({ wanted }) => wanted).forEach(draw)).observe(
    document.body,
    { attributeFilter: ["data-md-color-scheme"] },
  )
  addEventListener("beforeprint", () => figures.filter(({ wanted }) => !wanted).forEach(draw))
})()
