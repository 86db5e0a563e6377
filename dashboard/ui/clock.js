// Times that go on by themselves, by the server's clock: no page has to be drawn again for them.
// Stands before the script of each component that shows times.

// The words are those of dashboard/domain/clock.py.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]
const lengthWords = (seconds) => {
  let rest = Math.max(0, Math.round(seconds))
  const counts = UNITS.map(([size, unit]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return [count, unit]
  })
  const first = counts.findIndex(([count]) => count > 0)
  if (first < 0) return "0 s"
  return counts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ")
}
const ageWords = (seconds) => {
  if (seconds < 2) return "just now"
  const [size, unit] = UNITS.find(([size]) => seconds >= size)
  return `${Math.floor(seconds / size)} ${unit} ago`
}
const clockWords = (kind, at, now) => {
  const seconds = (now - at) / 1000
  if (kind === "age") return ageWords(Math.max(0, seconds))
  if (kind === "lasting") return `for ${lengthWords(seconds)}`
  return seconds < 0 ? `${lengthWords(-seconds)} left` : `passed ${ageWords(seconds)}`
}

// Draws every [data-clock] below a root; `skew` is how far the server's clock is ahead, in ms.
const drawClocks = (root, skew) => {
  const now = Date.now() + skew
  for (const node of root.querySelectorAll("[data-clock]")) {
    const at = Number(node.dataset.at)
    const words = clockWords(node.dataset.clock, at, now)
    if (node.textContent !== words) node.textContent = words
    node.classList.toggle("late", node.dataset.late !== undefined && now - at > Number(node.dataset.late))
  }
}
