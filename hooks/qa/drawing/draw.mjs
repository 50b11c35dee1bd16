// Draws the diagrams and formulas that stand on standard input, one a line as JSON, and answers each
// with one line, so that it is known at which one a process that was stopped had been.
import fs from "node:fs"
import { createHTMLWindow } from "svgdom"
import DOMPurify from "dompurify"
import katex from "katex"
import { FONT_SIZE } from "./measure.mjs"

const { window } = Object.assign(globalThis, { window: createHTMLWindow() })
globalThis.document = window.document
globalThis.CSSStyleSheet = class {
  cssRules = []
  insertRule() {}
}
// Real DOMPurify needs a whole browser. Labels become text here, whatever they hold, and the drawing
// is rebuilt from a list of what is allowed (picture.py).
const ENTITIES = { "<": "&lt;", ">": "&gt;", "&": "&amp;" }
const asText = (text) =>
  text
    .split(/(<br\s*\/?>)/i)
    .map((part, odd) => (odd % 2 ? part : part.replace(/[<>]|&(?!#?\w+;)/g, (sign) => ENTITIES[sign])))
    .join("")
Object.assign(DOMPurify, {
  sanitize: (text, { ADD_TAGS } = {}) => (ADD_TAGS ? text : asText(text)),
  addHook() {},
})
const { default: mermaid } = await import("mermaid")

const KINDS = ["flowchart", "graph", "sequenceDiagram", "stateDiagram-v2", "stateDiagram"]
const FONT = { FontSize: FONT_SIZE, FontFamily: "sans-serif" }
const fonts = (of) => Object.fromEntries(Object.entries(FONT).map(([key, v]) => [of + key, v]))
// Narrow, for phones; Chinese has no spaces to break a line at, and needs fewer breaks.
const settings = (text) => ({
  startOnLoad: false,
  suppressErrorRendering: true,
  htmlLabels: false,
  fontFamily: FONT.FontFamily,
  flowchart: {
    htmlLabels: false, padding: 12, nodeSpacing: 24, rankSpacing: 34,
    wrappingWidth: /\p{Script=Han}/u.test(text) ? 260 : 210,
  },
  sequence: {
    ...fonts("actor"), ...fonts("message"), ...fonts("note"),
    mirrorActors: false, wrap: true, width: 112, height: 44, actorMargin: 14, messageMargin: 28,
    diagramMarginX: 8, diagramMarginY: 8,
  },
})

const refusal = (line, reason) => ({ line, reason })

// Lines without comments and empty ones, which Mermaid would not count: [number from 1, text].
const linesOf = (source) =>
  source
    .split("\n")
    .map((text, index) => [index + 1, text])
    .filter(([, text]) => text.trim() && !/^\s*%%(?!\{)/.test(text))

const FORBIDDEN = [
  [/^\s*(%%\{|---\s*$)/, "settings of its own: all diagrams of the site look alike"],
  [/^\s*((style|classDef|linkStyle)\s+[\w,]|rect\s+(rgb|#|\w+\s*$))/, "colours of its own: they would not suit both schemes"],
  [/^\s*(click|links?|properties|details)\s+[\w"]/, "links: write them on the page"],
  [/@\{[^}]*\b(img|icon)\b/, "pictures"],
  [/\$\$/, "formulas"],
]

async function diagram(source) {
  const lines = linesOf(source)
  if (!lines.length) return refusal(1, "the diagram is empty")
  for (const [line, text] of lines)
    for (const [forbidden, what] of FORBIDDEN)
      if (forbidden.test(text)) return refusal(line, `a diagram has no ${what}`)
  const kind = lines[0][1].trim().split(/[\s;]/)[0]
  if (!KINDS.includes(kind))
    return refusal(lines[0][0], `there is no diagram "${kind}": there are ${KINDS.join(", ")}`)
  const text = lines.map(([, line]) => line).join("\n")
  try {
    mermaid.initialize(settings(text))
    const { svg } = await mermaid.render("drawing", text)
    const lost = await lostIn(svg, text)
    if (!lost) return { drawn: svg }
    const [line] = lines.find(([, each]) => each.includes(lost)) ?? lines[0]
    return refusal(line, `would not show this as it is written: ${lost}`)
  } catch (error) {
    const [number, line] = await lineOf(error, lines)
    if (!UNREADABLE.test(error.message)) return refusal(number, error.message.split("\n")[0])
    const what = error.message.endsWith("got '1'") ? "something is never closed" : "cannot be read"
    return refusal(number, `${what}: ${line.trim()}`)
  }
}

// Mermaid leaves out what it takes for some Markdown in a label, and says nothing.
async function lostIn(svg, text) {
  const shown = letters(svg.replace(/<style>.*?<\/style>|<[^>]*>/gs, ""))
  const { db } = await mermaid.mermaidAPI.getDiagramFromText(text)
  const { nodes = [], edges = [] } = db.getData?.() ?? {}
  const labels = [...nodes.filter(({ shape }) => !WITHOUT_LABEL.test(shape)), ...edges]
    .map(({ label }) => label)
    .concat(db.getMessages?.().map(({ message }) => message) ?? [])
    .concat([...(db.getActors?.().values() ?? [])].map(({ description }) => description))
  return labels.find((label) => typeof label === "string" && !shown.includes(letters(label)))
}

const WITHOUT_LABEL = /^(state(Start|End)|choice|fork|join|forkJoin|divider)$/

// What is left of a text without tags, entities, and the hyphens and spaces of lines that are broken.
const letters = (text) =>
  text.replace(/<br\s*\/?>|&#?\w+;|ﬂ°+\w+¶ß/g, "").replace(/[^\p{Letter}\p{Number}]/gu, "")

const UNREADABLE = /^(?:Parse|Lexical) error on line (\d+)/

async function lineOf(error, lines) {
  const said = UNREADABLE.exec(error.message)?.[1]
  const number = (said && error.hash?.loc?.first_line) ?? said ?? (await firstFailing(error, lines))
  return lines[Math.min(number, lines.length) - 1]
}

// What Mermaid refuses after reading has no line: it is the one with which the refusal begins.
async function firstFailing(error, lines) {
  for (let count = 1; count < lines.length; count++)
    try {
      await mermaid.parse(lines.slice(0, count).map(([, line]) => line).join("\n"))
    } catch (other) {
      if (other.message === error.message) return count
    }
  return lines.length
}

function formula(source, displayMode) {
  if (!source.trim()) return refusal(1, "the formula is empty")
  try {
    const trust = ({ command }) => {
      throw new Error(`${command} is not allowed in a formula`)
    }
    return { drawn: katex.renderToString(source, { displayMode, strict: "error", trust, maxSize: 20 }) }
  } catch (error) {
    const line = source.slice(0, error.position ?? 0).split("\n").length
    const reason = error.rawMessage ?? error.message
    return refusal(line, reason.replace(/^LaTeX-incompatible.*?: /, "").replace(/ \[\w+\]$/, ""))
  }
}

const answer = (value) => fs.writeSync(1, JSON.stringify(value) + "\n")
console.log = console.warn = console.error = () => {}
answer("ready")
for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { kind, source } = JSON.parse(line)
  answer(kind === "diagram" ? await diagram(source) : formula(source, kind === "display"))
}
