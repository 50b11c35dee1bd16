-- Elements of a page that look different are set by functions of the template.
local BOXES = {
  abstract = "abstract", details = "note", summary = "summary", ["admonition-title"] = "summary",
  ["qa-output"] = "output", ["qa-caption"] = "small", ["qa-run"] = "small", ["qa-about"] = "small",
}

function Div(div)
  for _, class in ipairs(div.classes) do
    if BOXES[class] then
      local open, close = "#" .. BOXES[class] .. "[", "]"
      return {pandoc.RawBlock("typst", open), div, pandoc.RawBlock("typst", close)}
    end
  end
end
