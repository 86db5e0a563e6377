// Rows that link to a page of the desk. Texts are set as text, never as markup. clock.js stands before this.

const kept = new WeakMap()
const HUES = ["red", "orange", "yellow", "green", "blue", "violet", "gray"]
const WAIT_FOR_SERVER = 3000 // ms; then the browser follows the link itself

const element = (tag, className, text) => {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

const part = (given, place) => {
  if (given.kind === "chip") {
    const chip = element("span", `chip ${HUES.includes(given.color) ? given.color : "gray"}`)
    const icon = element("span", "icon", given.icon)
    icon.setAttribute("aria-hidden", "true")
    chip.append(icon, element("span", "", given.text))
    return chip
  }
  if (given.kind === "link") {
    const link = element("a", "", given.text)
    link.href = place.href
    link.addEventListener("click", (event) => {
      if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
      event.preventDefault()
      const here = location.href
      place.open()
      setTimeout(() => { if (location.href === here && link.isConnected) location.assign(link.href) }, WAIT_FOR_SERVER)
    })
    return link
  }
  const text = element("span", given.look ?? "", given.text)
  if (given.at !== undefined) {
    text.classList.add("number")
    text.dataset.clock = given.kind
    text.dataset.at = given.at
    text.title = given.text
  }
  return text
}

const fill = (node, row, columns, state) => {
  const place = { href: row.href, open: () => state.open(row.id) }
  node.replaceChildren(...row.cells.map((parts, index) => {
    const column = columns[index]
    const cell = element("div", `cell ${column.kind}`)
    cell.setAttribute("role", "cell")
    if (column.kind === "fact" && column.label && parts.length) cell.dataset.label = column.label
    cell.append(...parts.map((given) => part(given, place)))
    return cell
  }))
}

export default function ({ data, parentElement, setTriggerValue }) {
  const table = parentElement.querySelector(".table")
  let state = kept.get(parentElement)
  if (!state) {
    state = { rows: new Map(), skew: 0 }
    state.timer = setInterval(() => drawClocks(table, state.skew), 1000)
    kept.set(parentElement, state)
  }
  state.open = (id) => setTriggerValue("open", id)
  // The same data comes again when the theme changes; its clock is old then.
  if (state.now !== data.now) Object.assign(state, { now: data.now, skew: data.now - Date.now() })

  const head = JSON.stringify(data.columns)
  if (state.head !== head) {
    state.head = head
    state.rows.clear()
    table.style.setProperty("--columns", data.columns.map(({ width }) => width).join(" "))
    table.querySelector(".head").replaceChildren(...data.columns.map(({ label }) => {
      const cell = element("span", "", label)
      cell.setAttribute("role", "columnheader")
      return cell
    }))
  }
  table.setAttribute("aria-label", data.label)
  const rows = new Map()
  for (const row of data.rows) {
    const written = JSON.stringify(row)
    // A row that did not change keeps its node, and with it the focus.
    const known = state.rows.get(row.id) ?? { node: element("div", "row") }
    known.node.setAttribute("role", "row")
    if (known.written !== written) {
      const had = known.node.contains(parentElement.activeElement ?? document.activeElement)
      fill(known.node, row, data.columns, state)
      known.written = written
      if (had) known.node.querySelector("a")?.focus()
    }
    rows.set(row.id, known)
  }
  const body = table.querySelector(".body")
  const wanted = [...rows.values()].map(({ node }) => node)
  if (wanted.length !== body.children.length || wanted.some((node, index) => node !== body.children[index])) {
    const focused = parentElement.activeElement
    body.replaceChildren(...wanted)
    if (focused?.isConnected) focused.focus()
  }
  state.rows = rows
  drawClocks(table, state.skew)
  return () => { clearInterval(state.timer); kept.delete(parentElement) }
}
