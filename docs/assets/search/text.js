// Cuts texts into the words that the index knows, as hooks/qa/finish/tokens.py does.
window.qaSearch.text = (() => {
  const HAN = "\\u3005\\u3007\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{323af}"
  const LETTER = `(?:(?![${HAN}])[\\p{L}\\p{N}_])`
  const PART = `${LETTER}(?:${LETTER}|[\\u0300-\\u036f@])*`
  const WORD = new RegExp(
    `([${HAN}]+)|[A-Za-z](?:\\+\\+|#)(?![\\p{L}\\p{N}_])` +
      `|\\p{Nd}+(?:\\.\\p{Nd}+)+|${PART}(?:-${PART})*`,
    "gu",
  )
  const inner = (word) => word.replace(/([a-z])(?=[A-Z])/g, "$1-").split(/[-_@]+/).filter(Boolean)

  // What asks, and says nothing of what it asks for.
  const ASKING =
    /怎么办|怎么写|怎么做|怎么|如何|怎样|为什么|为何|是什么|什么是|什么|有没有|能不能|要不要|会不会|需要|应该|可以|哪个|哪些|还是|请问|一下/gu
  const COMMON = new Set(
    ("a an and are as at be but by can could do does did for from has have how i if in into is it its " +
      "me my no not of on one or our should so that the them then there these this to was we were " +
      "what when where which while who whom why will with would you your " +
      "吗 了 的 是 要 呢 和 与 在 有").split(" "),
  )

  const fold = (word) => word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()

  // Each with the place where it stands, the pairs of characters of a Chinese word each with its own.
  function* tokens(text) {
    for (const { 0: word, 1: han, index } of text.matchAll(WORD)) {
      const end = index + word.length
      if (!han) {
        yield { token: fold(word.replaceAll("-", "")), index, end }
        const parts = inner(word)
        if (parts.length > 1) {
          let at = index
          for (const part of parts) {
            at = text.indexOf(part, at)
            yield { token: fold(part), index: at, end: at + part.length, part: true }
          }
        }
      } else if (word.length === 1) yield { token: word, index, end }
      else {
        for (let i = index; i < end - 1; i++) {
          yield { token: text.slice(i, i + 2), index: i, end: i + 2 }
        }
      }
    }
  }

  // British and American spelling meet: quantisation and quantization, neighbour and neighbor.
  function stem(word) {
    if (!/^[a-z]+$/.test(word)) return word
    return stemmer(word.replace(/is(?=(e[drs]?|ing|ations?)$)/, "iz").replace("our", "or"))
  }

  // Traditional characters become simplified ones, and words of Taiwan those of the mainland.
  function simplifier(forms) {
    const characters = Object.keys(forms).filter((old) => [...old].length === 1)
    const words = Object.keys(forms).filter((old) => [...old].length > 1)
    if (!characters.length) return (text) => text
    const one = new RegExp(`[${characters.join("")}]`, "gu")
    const several = new RegExp(words.sort((a, b) => b.length - a.length).join("|") || "(?!)", "gu")
    const replace = (match) => forms[match]
    return (text) => text.replace(one, replace).replace(several, replace)
  }

  return { tokens, stem, simplifier, fold, ASKING, COMMON, HAN: new RegExp(`[${HAN}]`, "u") }
})()
