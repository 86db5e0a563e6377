// The listener of dashboard/ui/live.py. All its instances in a tab share this module, and so the sockets. Times in ms.
const RETRY = 2000 // a run that was asked for and has not come is asked for again
const HOLD = 100 // after a pointer was released: sent together with a click elsewhere, news would swallow it
const LONGEST_HOLD = 5000 // a release outside of the window is not heard
// A run that is asked for under the name of the page that is being left empties the page that comes (Streamlit
// 1.67): after a click nothing is asked for until the page that it leads to has begun, or its own run has.
const LONGEST_LEAVE = 5000, LONGEST_PRESS = 2000, SETTLE = 300
// A part that is asked for while the whole page runs begins the moment that has ended, and what the page no longer
// holds then stays on the screen for ever (Streamlit 1.67): nothing is asked for until that is taken away.
const LONGEST_WHOLE = 10000, TAKEN_AWAY = 100
const STEP = 5 // between two fragments: changes of one browser task go out under a single fragment's name
// So would a click before the message for the run that was just asked for (browsers put clicks before timers): only
// that run's fragment would run. The click comes again when the message is on its way.
const CONTROLS = "a[href]:not([target=_blank]), button, summary, label, input[type=checkbox], input[type=radio]"
const LONGEST_WAIT = 2000 // between attempts to connect
const REFUSED_WAIT = 30000 // the right to a topic may still come
const SIGNED_OUT = 4401, REFUSED = [4400, 4403, 4429]

const channels = new Map() // topic -> {topic, listeners, socket, open, latest, wait, lostAt}
const listeners = new Set()
const kept = new WeakMap() // parentElement -> listener
const epoch = (version) => version.split(".")[0]
const number = (version) => Number(version.split(".")[1])
const newer = (a, b) => epoch(a) === epoch(b) && number(a) > number(b)
let heldUntil = 0, leavingUntil = 0, pressedUntil = 0, wholeUntil = 0, signedOut = false, pumping = false, serverEpoch = null, foreignSince = 0

// What a listener should ask for now, or null. `tries` counts what was asked for and has not helped yet.
function wanted(listener, now) {
  const waited = now - Math.max(listener.askedAt, listener.ranAt)
  const isPatient = listener.tries && waited < RETRY * 2 ** Math.min(listener.tries - 1, 4)
  const foreign = serverEpoch !== null && serverEpoch !== listener.epoch
  if (listener.whole) {
    const stuck = signedOut || [...listeners].some((other) => !other.whole && other.tries > 3)
    if (!stuck && !foreign) listener.tries = 0
    // Behind a balancer the socket may have another process than the page, whatever is run.
    return isPatient || !(stuck || (foreign && listener.tries < 3)) ? null : `whole.${now}`
  }
  if (isPatient || signedOut) return null
  if (foreign && now - foreignSince < 5 * RETRY) return null // the whole page comes first
  const heard = listener.topics.map((topic) => channels.get(topic))
  if (heard.length && heard.every((channel) => channel.open) && !foreign) {
    const told = heard.find((channel) => newer(channel.latest, listener.shown[channel.topic]))
    if (told) return now >= listener.dueAt ? told.latest : null
    return waited >= listener.refresh ? `refresh.${now}` : null
  }
  return waited >= listener.fallback ? `timer.${now}` : null
}

// Ask for one run, then look again: never two fragments in one task.
function pump() {
  const now = Date.now()
  if (pumping || now < Math.max(heldUntil, leavingUntil, pressedUntil, wholeUntil) || document.hidden) return
  // The whole page before its parts, and what stands under a headline before the rest.
  const inOrder = [...listeners].sort((a, b) => b.whole - a.whole || b.isSpoken - a.isSpoken)
  for (const listener of inOrder) {
    const news = wanted(listener, now)
    if (news === null) continue
    listener.tries += 1
    listener.askedAt = now
    listener.rerun(news)
    pumping = true
    setTimeout(() => { pumping = false; pump() }, STEP)
    return
  }
}

function connect(topic, channel) {
  const url = new URL(`/live?topic=${encodeURIComponent(topic)}`, location.origin)
  url.protocol = url.protocol.replace("http", "ws")
  const socket = channel.socket = new WebSocket(url)
  socket.onmessage = ({ data }) => {
    const news = JSON.parse(data)
    const now = Date.now()
    for (const listener of channel.listeners) {
      if (topic === listener.topics[0]) listener.paint(news.version, news.headline)
      // In a row with the other viewers, and what stands under a headline before the rest of all of them.
      const isNext = channel.latest === null || !newer(channel.latest, listener.shown[topic])
      if (isNext) listener.dueAt = now + (listener.isSpoken ? news.after : news.rest)
    }
    Object.assign(channel, { open: true, wait: 250, lostAt: 0, latest: news.version })
    if (serverEpoch !== epoch(news.version)) [serverEpoch, foreignSince] = [epoch(news.version), now]
    setTimeout(pump, news.after)
    setTimeout(pump, news.rest)
  }
  socket.onclose = ({ code }) => {
    if (channel.socket !== socket) return
    channel.open = false
    channel.lostAt ||= Date.now()
    if (code === SIGNED_OUT) { signedOut = true; pump(); return }
    const wait = REFUSED.includes(code) ? REFUSED_WAIT : channel.wait * (0.5 + Math.random())
    channel.wait = Math.min(channel.wait * 2, LONGEST_WAIT)
    channel.retry = setTimeout(() => connect(topic, channel), wait)
  }
}

function join(listener, topic) {
  let channel = channels.get(topic)
  if (!channel) {
    channel = { topic, listeners: new Set(), open: false, latest: null, wait: 250, lostAt: 0 }
    channels.set(topic, channel)
    connect(topic, channel)
  }
  channel.listeners.add(listener)
}

function leave(listener, topic) {
  const channel = channels.get(topic)
  channel.listeners.delete(listener)
  setTimeout(() => { // a page that follows may want the same topic
    if (channel.listeners.size || channels.get(topic) !== channel) return
    channels.delete(topic)
    clearTimeout(channel.retry)
    const socket = channel.socket
    channel.socket = null
    socket.close()
  }, 500)
}

function start(data, parentElement) {
  const [line, note] = ["output", "small"].map((name) => parentElement.querySelector(name))
  const listener = {
    topics: Object.keys(data.topics), shown: data.topics, epoch: data.epoch, whole: Boolean(data.whole),
    isSpoken: Boolean(line), painted: null, ranAt: Date.now(), askedAt: 0, dueAt: 0, tries: 0,
  }
  listener.paint = (version, headline) => {
    // What has ended stays ended, and a desk that has just started does not know yet.
    if (!line || (listener.painted && (newer(listener.painted, version) || !headline))) return
    listener.painted = version
    if (line.textContent !== headline) line.textContent = headline
  }
  listener.tell = (now) => {
    const lostAt = Math.max(0, ...listener.topics.map((topic) => channels.get(topic).lostAt))
    const isLost = lostAt && now - lostAt > 3000
    const text = isLost && !signedOut ? "Not live, connecting again" : ""
    if (note && note.textContent !== text) note.textContent = text
  }
  listeners.add(listener)
  for (const topic of listener.topics) join(listener, topic)
  return listener
}

const STATE = "data-test-script-state"
const isRunning = () => document.querySelector(`[${STATE}]`)?.getAttribute(STATE) !== "notRunning"
function hasEnded() {
  if (!wholeUntil || isRunning()) return
  wholeUntil = Math.min(wholeUntil, Date.now() + TAKEN_AWAY)
  setTimeout(pump, TAKEN_AWAY + 1)
}
new MutationObserver(hasEnded).observe(document, { attributeFilter: [STATE], subtree: true })

const on = (name, act) => document.addEventListener(name, act, { capture: true })
on("pointerdown", () => { heldUntil = Date.now() + LONGEST_HOLD })
for (const name of ["pointerup", "pointercancel"]) on(name, () => {
  heldUntil = Date.now() + HOLD
  setTimeout(pump, HOLD + 1)
})
on("click", (event) => {
  const control = event.composedPath()[0].closest?.(CONTROLS)
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
  if (pumping && control && isPlain) {
    event.preventDefault()
    event.stopImmediatePropagation()
    heldUntil = Date.now() + HOLD
    const { clientX, clientY } = event
    // What was pressed may have been drawn anew meanwhile.
    const pressed = () => (control.isConnected ? control : document.elementFromPoint(clientX, clientY)?.closest(CONTROLS))
    setTimeout(() => pressed()?.click(), STEP)
    setTimeout(pump, HOLD + 1)
    return
  }
  const target = event.composedPath().find(({ tagName }) => tagName === "A" || tagName === "BUTTON")
  if (target?.tagName === "A" && target.target !== "_blank") leavingUntil = Date.now() + LONGEST_LEAVE
  else if (target?.tagName === "BUTTON") pressedUntil = Date.now() + LONGEST_PRESS
})
addEventListener("popstate", () => { leavingUntil = Date.now() + LONGEST_LEAVE })
on("visibilitychange", pump)
setInterval(() => {
  for (const listener of listeners) listener.tell(Date.now())
  pump()
}, 1000)

export default function ({ data, parentElement, setTriggerValue }) {
  let listener = kept.get(parentElement)
  if (listener && String(listener.topics) !== String(Object.keys(data.topics))) {
    stop(listener, parentElement)
    listener = null
  }
  if (!listener) {
    listener = start(data, parentElement)
    kept.set(parentElement, listener)
  }
  listener.rerun = (news) => setTriggerValue("news", news)
  if (listener.run !== data.run) {
    if (listener.whole) { // drawn at the beginning of every whole run
      leavingUntil = 0
      wholeUntil = Date.now() + LONGEST_WHOLE
      setTimeout(hasEnded, TAKEN_AWAY) // where it has ended before this was called
    }
    pressedUntil = Math.min(pressedUntil, Date.now() + SETTLE) // a press may lead to another page yet
    Object.assign(listener, { run: data.run, ranAt: Date.now(), shown: data.topics, epoch: data.epoch })
    Object.assign(listener, { fallback: data.fallback, refresh: data.refresh })
    if (!listener.whole) listener.tries = 0
    if (listener.topics.length) listener.paint(data.topics[listener.topics[0]], data.headline)
  }
  pump()
  // Streamlit calls what an overtaken call returned as well: only the last one means the end.
  const turn = listener.turn = {}
  return () => { if (listener.turn === turn) stop(listener, parentElement) }
}

function stop(listener, parentElement) {
  listeners.delete(listener)
  kept.delete(parentElement)
  for (const topic of listener.topics) leave(listener, topic)
}
