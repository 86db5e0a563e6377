// One line with a time in it. clock.js stands before this.

const kept = new WeakMap()

export default function ({ data, parentElement }) {
  const line = parentElement.querySelector("p")
  let state = kept.get(parentElement)
  if (!state) {
    state = {}
    state.timer = setInterval(() => drawClocks(line, state.skew), 1000)
    kept.set(parentElement, state)
  }
  // The same data comes again when the theme changes; its clock is old then.
  if (state.now !== data.now) Object.assign(state, { now: data.now, skew: data.now - Date.now() })
  line.className = data.look
  line.querySelector(".before").textContent = data.before
  line.querySelector(".after").textContent = data.after
  const clock = line.querySelector(".clock")
  Object.assign(clock.dataset, { clock: data.kind, at: data.at })
  if (data.late === null) delete clock.dataset.late
  else clock.dataset.late = data.late
  drawClocks(line, state.skew)
  return () => { clearInterval(state.timer); kept.delete(parentElement) }
}
