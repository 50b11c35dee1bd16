// A figure or diagram is enlarged to the size of the screen. The Back button closes it, as does Escape.
{
  const chinese = document.documentElement.lang === "zh"
  const say = (zh, en) => (chinese ? zh : en)
  const element = (name, attributes, ...content) => {
    const made = Object.assign(document.createElement(name), attributes)
    made.append(...content)
    return made
  }

  function enlarge(figure) {
    const shown = [...figure.querySelectorAll("img, svg")].find((each) => each.getClientRects().length)
    const picture = shown.cloneNode(true)
    // Arrows and the like are those of the picture on the page.
    for (const each of picture.querySelectorAll("[id]")) each.removeAttribute("id")
    picture.removeAttribute("id")
    picture.loading = "eager"
    const [width, height] = ["width", "height"].map((side) => shown.getAttribute(side))
    const place = element("div", { className: shown.parentElement.className, tabIndex: 0 }, picture)
    place.style.setProperty("--ratio", width / height)
    place.style.setProperty("--natural", `${width}px`)
    const close = element("button", { textContent: "✕", ariaLabel: say("关闭", "Close") })
    const dialog = element(
      "dialog",
      { className: "qa-enlarged", ariaLabel: nameOf(shown) },
      element("form", { method: "dialog" }, close),
      place,
    )
    const back = () => dialog.close()
    dialog.addEventListener("close", () => {
      removeEventListener("popstate", back)
      if (history.state?.enlarged) history.back()
      dialog.remove()
    })
    document.body.append(dialog)
    history.pushState({ enlarged: true }, "")
    addEventListener("popstate", back)
    dialog.showModal()
    place.focus()
    // A plot begins at its axis, a diagram in its middle.
    if (shown.matches("svg")) place.scrollLeft = (place.scrollWidth - place.clientWidth) / 2
  }

  const nameOf = (picture) => picture.alt ?? picture.getAttribute("aria-label")

  for (const figure of document.querySelectorAll("article .qa-figure")) {
    const name = nameOf(figure.querySelector("img, svg"))
    const word = say("放大", "Enlarge")
    figure.classList.add("qa-enlarges")
    figure.addEventListener("click", ({ target }) => {
      if (target.closest("img, svg, button")) enlarge(figure)
    })
    figure.append(element("button", {
      type: "button", className: "qa-enlarge", textContent: `⤢ ${word}`, ariaLabel: `${word}: ${name}`,
    }))
  }
  // After a reload nothing is enlarged.
  if (history.state?.enlarged) history.replaceState(null, "")
}
