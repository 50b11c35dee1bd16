// Finds pages, sections and entries in an index that hooks/qa/finish/search_index.py has made.
window.qaSearch.engine = (index) => {
  const { tokens, stem, simplifier, ASKING, COMMON, HAN } = window.qaSearch.text
  const FIELDS = 3
  // By trial, on the queries in tests/browser/queries.yml; values nearby do as well.
  const WEIGHTS = { page: [4, 0.3, 3], section: [0.8, 1, 0.3] }
  const K = 2
  const B = 0.3
  const PREFIX = 0.4
  const FUZZY = 0.5
  const SYNONYM = 0.9
  const COVERAGE = 2
  const TOGETHER = 1
  const REFERENCES = 0.2
  const REST = 0.9
  const ENTRY = 3 // one section against the many of a page
  const LEAST = 0.04
  const PAGES = 10
  const SECTIONS = 3

  const { documents, lengths } = index
  const terms = index.terms.split(" ")
  const postings = index.postings.split("\n")
  const numbers = new Map(terms.map((term, number) => [term, number]))
  const simplify = simplifier(index.traditional)
  const isPage = documents.map((document) => "address" in document)
  const pageOf = []
  documents.forEach((_, number) => pageOf.push(isPage[number] ? number : pageOf[number - 1]))
  const weights = documents.map((_, number) => (isPage[number] ? WEIGHTS.page : WEIGHTS.section))
  const averages = [0, 1].map((kind) => [0, 1, 2].map((field) => averageOf(kind, field)))

  function averageOf(kind, field) {
    let sum = 0
    let count = 0
    documents.forEach((_, number) => {
      if (isPage[number] !== Boolean(kind)) return
      sum += lengths[number * FIELDS + field]
      count++
    })
    return Math.max(1, sum / count)
  }

  // Latin words of one stem, by it; Chinese ones are found as they are.
  const latin = terms.filter((term) => !HAN.test(term))
  const stems = new Map()
  for (const term of latin) {
    const key = stem(term)
    if (stems.has(key)) stems.get(key).push(term)
    else stems.set(key, [term])
  }

  // Whether one edit leads from a to b: a letter more, less, another, or two that changed places.
  function isNear(a, b) {
    if (Math.abs(a.length - b.length) > 1) return false
    let start = 0
    while (start < a.length && a[start] === b[start]) start++
    const [restA, restB] = [a.slice(start), b.slice(start)]
    return (
      restA.slice(1) === restB.slice(1) ||
      restA === restB.slice(1) ||
      restA.slice(1) === restB ||
      (restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2))
    )
  }

  // The terms that a word of a query stands for, each with how much it counts.
  function variants(word, isLast) {
    if (HAN.test(word)) {
      if (numbers.has(word) && word.length > 1) return [[word, 1]]
      if ([...word].length > 1) return []
      return terms.filter((term) => HAN.test(term) && term.includes(word)).map((term) => [term, 0.3])
    }
    const same = (stems.get(stem(word)) ?? []).map((term) => [term, 1])
    const begins = (term) => term.startsWith(word) && !same.some(([known]) => known === term)
    const isBegun = isLast && word.length > 1 && !isTyped.has(stem(word))
    const longer = isBegun ? latin.filter(begins).map((t) => [t, PREFIX]) : []
    if (same.length || longer.length) return [...same, ...longer]
    if (word.length < 4 || /\d/.test(word) || isTyped.has(stem(word))) return []
    return latin.filter((term) => isNear(word, term)).map((term) => [term, FUZZY])
  }

  // A word that nobody wrote may be two: kvcache.
  function split(word) {
    for (let at = 2; word.length > 5 && at <= word.length - 2; at++) {
      const parts = [word.slice(0, at), word.slice(at)]
      if (parts.every((part) => stems.has(stem(part)))) return parts
    }
    return [word]
  }

  function wordsOf(query) {
    const found = []
    for (const { token, part } of tokens(query)) {
      if (part && found.length && found.at(-1).whole) {
        found.at(-1).parts.push(token)
      } else found.push({ whole: token, parts: [] })
    }
    const all = found.flatMap(({ whole, parts }) => {
      if (parts.length) return stems.has(stem(whole)) ? [whole, ...parts] : parts
      return HAN.test(whole) || stems.has(stem(whole)) ? [whole] : split(whole)
    })
    return [...new Set(all)]
  }

  function analyse(query) {
    const plain = simplify(query.normalize("NFKC"))
    const all = wordsOf(plain)
    const telling = wordsOf(plain.replace(ASKING, " ")).filter((word) => !COMMON.has(word))
    return telling.length ? telling : all
  }

  // What is typed for a term is written as it is meant.
  const aliases = index.synonyms.map(([typed]) => wordsOf(typed).map(stem))
  const isTyped = new Set(aliases.flat())

  // By document, what a term contributes: BM25 with the fields of a document weighted.
  const decoded = new Map()
  function scoresOf(term) {
    if (decoded.has(term)) return decoded.get(term)
    const scores = new Map()
    const entries = postings[numbers.get(term)].split(",")
    const rarity = Math.log(1 + documents.length / (entries.length + 0.5))
    let slot = 0
    for (const entry of entries) {
      const [step, times] = entry.split(".")
      slot += parseInt(step, 36)
      const number = Math.floor(slot / FIELDS)
      const field = slot % FIELDS
      const count = times ? parseInt(times, 36) : 1
      const length = lengths[slot] / averages[Number(isPage[number])][field]
      const often = (count * (K + 1)) / (count + K * (1 - B + B * length))
      scores.set(number, (scores.get(number) ?? 0) + weights[number][field] * rarity * often)
    }
    decoded.set(term, scores)
    return scores
  }

  // By document, the best of the terms that a word may stand for.
  function scoresOfWord(variants, used) {
    const best = new Map()
    for (const [term, weight] of variants) {
      used.add(term)
      for (const [number, score] of scoresOf(term)) {
        best.set(number, Math.max(best.get(number) ?? 0, weight * score))
      }
    }
    return best
  }

  // What is typed for a term finds the term: each of its words counts as found where the term is.
  function addSynonyms(query, asked, used) {
    const words = [...wordsOf(simplify(query)).map(stem), ...asked.flatMap(({ near }) => near)]
    const known = new Set(words)
    for (const [i, [, meant]] of index.synonyms.entries()) {
      const typed = aliases[i]
      if (!typed.length || !typed.every((word) => known.has(word))) continue
      const parts = analyse(meant).map((word) => scoresOfWord(variants(word, false), used))
      const found = parts.filter((scores) => scores.size)
      if (!found.length) continue
      for (const number of found[0].keys()) {
        if (!found.every((scores) => scores.has(number))) continue
        const score = found.reduce((sum, scores) => sum + scores.get(number), 0)
        for (const { word, near, scores } of asked) {
          if (![stem(word), ...near].some((each) => typed.includes(each))) continue
          const share = (SYNONYM * score) / typed.length
          scores.set(number, Math.max(scores.get(number) ?? 0, share))
        }
      }
    }
  }

  function search(query) {
    const used = new Set()
    const words = analyse(query)
    const asked = words.map((word, i) => {
      const stands = variants(word, i === words.length - 1)
      const near = stands.filter(([, weight]) => weight >= FUZZY).map(([term]) => stem(term))
      return { word, near, scores: scoresOfWord(stands, used) }
    })
    addSynonyms(query, asked, used)
    const found = new Map()
    documents.forEach((document, number) => {
      if (isPage[number]) return
      const page = pageOf[number]
      let own = 0
      let score = 0
      let covered = 0
      for (const { scores } of asked) {
        const here = scores.get(number) ?? 0
        const above = scores.get(page) ?? 0
        own += here
        score += here + above
        covered += here + above > 0
      }
      if (!score) return
      const weight = document.anchor === "references" ? REFERENCES : 1
      const hit = { number, own, score: weight * score * (covered / asked.length) ** COVERAGE }
      const key = "state" in document ? number : page
      if (found.has(key)) found.get(key).push(hit)
      else found.set(key, [hit])
    })
    const results = [...found].map(([key, hits]) => resultOf(key, hits, asked))
    results.sort((a, b) => b.score - a.score)
    const worth = results.filter(({ score }) => score > LEAST * results[0].score)
    return { results: worth.slice(0, PAGES), terms: used }
  }

  // A page counts what its best sections do, and more the more of the query it has in all.
  function resultOf(key, hits, asked) {
    const page = documents[pageOf[key]]
    const top = hits.sort((a, b) => b.score - a.score)
    const places = [pageOf[key], ...hits.map(({ number }) => number)]
    const found = asked.filter(({ scores }) => places.some((place) => scores.has(place))).length
    const sum = top.reduce((sum, hit, i) => sum + hit.score * REST ** i, 0)
    const whole = "state" in documents[key] ? ENTRY : 1
    const score = page.boost * whole * sum * (found / asked.length) ** TOGETHER
    const shown = top.slice(0, SECTIONS)
    const sections = shown.map(({ number }) => ({ ...documents[number], number }))
    return { page, sections, score }
  }

  return { search, simplify }
}
