// How large the parts of a drawing are. A browser would say; here is none, and each reader has other
// fonts, so widths of letters are those of a common wide one.
import { SVGGraphicsElement } from "svgdom"
import { svgPathBbox } from "svg-path-bbox"

export const FONT_SIZE = 16
const ASCENT = 0.93 * FONT_SIZE
const LINE = 1.2 * FONT_SIZE
const WIDTHS = [
  [/[\u2190-\u21ff\u2460-\u24ff\u2e80-\uffff\u{10000}-\u{10ffff}]/u, 1],
  [/[MWmw@%—…]/, 0.9],
  [/[A-Z&+=<>~÷×±]/, 0.66],
  [/[ijlftrI.,:;'|!()[\]{}/\\" `·-]/, 0.34],
]

const widthOf = (text) =>
  Array.from(text).reduce(
    (sum, letter) => sum + (WIDTHS.find(([letters]) => letters.test(letter))?.[1] ?? 0.55),
    0,
  ) * FONT_SIZE

const pixels = (length) => parseFloat(length ?? 0) * (length?.endsWith("em") ? FONT_SIZE : 1)

// Boxes are [left, top, right, bottom]; null is that of nothing.
const union = (boxes) =>
  boxes.reduce((a, b) => {
    if (!a || !b) return a ?? b
    return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])]
  }, null)

function transformed(box, { a, b, c, d, e, f }) {
  if (!box) return null
  const corners = [0, 2].flatMap((x) => [1, 3].map((y) => [box[x], box[y]]))
  return union(
    corners.map(([x, y]) => [a * x + c * y + e, b * x + d * y + f]).map(([x, y]) => [x, y, x, y]),
  )
}

// Mermaid says in a style sheet that the text of a node stands in its middle.
function anchorOf(text) {
  for (let node = text; node.nodeName !== "svg" && node.parentNode; node = node.parentNode) {
    const anchor = node.style.textAnchor || node.getAttribute("text-anchor")
    if (anchor) return anchor
    if (node.nodeName === "text") return node.closest(".node:not(.statediagram-state) .label") ? "middle" : "start"
  }
  return "start"
}

// A text is one line, or a line for each of its parts that have a place of their own.
function boxOfText(node, x = 0, y = 0) {
  x = node.hasAttribute("x") ? pixels(node.getAttribute("x")) : x
  y = node.hasAttribute("y") ? pixels(node.getAttribute("y")) : y
  y += pixels(node.getAttribute("dy"))
  const lines = Array.from(node.childNodes).filter(
    (part) => part.nodeName === "tspan" && part.hasAttribute("x"),
  )
  if (lines.length) return union(lines.map((line) => boxOfText(line, x, y)))
  if (!node.textContent.trim()) return null
  const width = widthOf(node.textContent)
  const left = x - { start: 0, middle: width / 2, end: width }[anchorOf(node)]
  const central = ["central", "middle"].includes(node.getAttribute("dominant-baseline"))
  const top = y - (central ? LINE / 2 : ASCENT)
  return [left, top, left + width, top + LINE]
}

const boxOfShape = SVGGraphicsElement.prototype.getBBox

function boxOf(node) {
  if (["text", "tspan"].includes(node.nodeName)) return boxOfText(node)
  if (node.nodeName === "path") return svgPathBbox(node.getAttribute("d") || "M0,0")
  if (["svg", "g", "a"].includes(node.nodeName)) {
    const parts = Array.from(node.childNodes).filter((part) => part.matrixify)
    return union(parts.map((part) => transformed(boxOf(part), part.matrixify())))
  }
  const { x, y, width, height } = boxOfShape.call(node)
  return width || height ? [x, y, x + width, y + height] : null
}

SVGGraphicsElement.prototype.getBBox = function () {
  const [left, top, right, bottom] = boxOf(this) ?? [0, 0, 0, 0]
  return { x: left, y: top, width: right - left, height: bottom - top }
}
SVGGraphicsElement.prototype.getBoundingClientRect = SVGGraphicsElement.prototype.getBBox
