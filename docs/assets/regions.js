// What scrolls sideways can be reached by keyboard; what is folded, or not loaded yet, is printed.
{
  const regions = "article :is(.md-typeset__scrollwrap, .qa-table, .qa-plot, .qa-diagram, pre > code)"
  const update = () => {
    for (const region of document.querySelectorAll(regions)) {
      const scrolls = region.scrollWidth > region.clientWidth + 1
      if (scrolls || region.scrollHeight > region.clientHeight + 1) region.tabIndex = 0
      else region.removeAttribute("tabindex")
    }
  }
  addEventListener("load", update)
  addEventListener("resize", update)
  // What is folded has no size; the event does not bubble.
  document.addEventListener("toggle", update, true)
  const unfolded = []
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("article details:not([open])")) {
      details.open = true
      unfolded.push(details)
    }
    for (const image of document.querySelectorAll("article img")) image.loading = "eager"
  })
  addEventListener("afterprint", () => {
    for (const details of unfolded.splice(0)) details.open = false
  })
}
