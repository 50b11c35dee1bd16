// The field on the home page opens the search; without scripts there is neither.
for (const place of document.querySelectorAll(".qa-find")) {
  const field = document.createElement("button")
  field.type = "button"
  field.append(document.querySelector(".qa-search__open svg").cloneNode(true), place.textContent)
  field.addEventListener("click", () => document.querySelector(".qa-search__open").click())
  place.replaceChildren(field)
}
