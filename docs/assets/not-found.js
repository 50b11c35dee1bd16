// On hosts with one page for all missing addresses, English readers get theirs.
{
  const { english } = document.currentScript.dataset
  const root = new URL(english, location.href)
  if (location.pathname.startsWith(root.pathname)) location.replace(new URL("404.html", root))
}
