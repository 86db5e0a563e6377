// The listener of dashboard/ui/live.py. All its instances in a tab share this module, and so the sockets. Times in ms.
const RETRY = 2000 // a run that was asked for and has not come is asked for again
const HOLD = 100 // after a pointer was released: sent together with a click elsewhere, news would swallow it
const LONGEST_HOLD = 5000 // a release outside of the window is not heard
const STEP = 5 // between two fragments: changes of one browser task go out under a single fragment's name
const LONGEST_WAIT = 2000 // between attempts to connect
const REFUSED_WAIT = 30000 // the right to a topic may still come
const SIGNED_OUT = 4401, REFUSED = [4400, 4403, 4429]

const channels = new Map() // topic -> {listeners, socket, open, latest, headline, wait, lostAt}
const listeners = new Set()
const kept = new WeakMap() // parentElement -> listener
const epoch = (version) => version.split(".")[0]
const number = (version) => Number(version.split(".")[1])
const newer = (a, b) => epoch(a) === epoch(b) && number(a) > number(b)
let heldUntil = 0, signedOut = false, pumping = false, serverEpoch = null, foreignSince = 0

// What a listener should ask for now, or null. `tries` counts what was asked for and has not helped yet.
function wanted(listener, now) {
  const waited = now - Math.max(listener.askedAt, listener.ranAt)
  const isPatient = listener.tries && waited < RETRY * 2 ** Math.min(listener.tries - 1, 4)
  const foreign = serverEpoch !== null && serverEpoch !== epoch(listener.shown)
  if (listener.whole) {
    const stuck = signedOut || [...listeners].some((other) => !other.whole && other.tries > 3)
    if (!stuck && !foreign) listener.tries = 0
    // Behind a balancer the socket may have another process than the page, whatever is run.
    return isPatient || !(stuck || (foreign && listener.tries < 3)) ? null : `whole.${now}`
  }
  if (isPatient || signedOut) return null
  if (foreign && now - foreignSince < 5 * RETRY) return null // the whole page comes first
  const channel = channels.get(listener.topic)
  if (channel?.open && !foreign) {
    if (newer(channel.latest, listener.shown)) return channel.latest
    return waited >= listener.refresh ? `refresh.${now}` : null
  }
  return waited >= listener.fallback ? `timer.${now}` : null
}

// Ask for one run, then look again: never two fragments in one task.
function pump() {
  const now = Date.now()
  if (pumping || now < heldUntil || document.hidden) return
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
    Object.assign(channel, { open: true, wait: 250, lostAt: 0, latest: news.version, headline: news.headline })
    if (serverEpoch !== epoch(news.version)) [serverEpoch, foreignSince] = [epoch(news.version), Date.now()]
    for (const listener of channel.listeners) listener.paint(news.version, news.headline)
    setTimeout(pump, news.after)
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

function join(listener) {
  if (!listener.topic) return
  let channel = channels.get(listener.topic)
  if (!channel) {
    channel = { listeners: new Set(), open: false, latest: null, headline: "", wait: 250, lostAt: 0 }
    channels.set(listener.topic, channel)
    connect(listener.topic, channel)
  }
  channel.listeners.add(listener)
}

function leave(listener) {
  const channel = channels.get(listener.topic)
  if (!channel) return
  channel.listeners.delete(listener)
  setTimeout(() => { // a page that follows may want the same topic
    if (channel.listeners.size || channels.get(listener.topic) !== channel) return
    channels.delete(listener.topic)
    clearTimeout(channel.retry)
    const socket = channel.socket
    channel.socket = null
    socket.close()
  }, 500)
}

function start(data, parentElement) {
  const listener = { topic: data.topic, whole: Boolean(data.whole), shown: data.version, painted: null }
  Object.assign(listener, { ranAt: Date.now(), askedAt: 0, tries: 0 })
  const [line, note] = ["output", "small"].map((name) => parentElement.querySelector(name))
  listener.isSpoken = Boolean(line)
  listener.paint = (version, headline) => {
    // What has ended stays ended, and a desk that has just started does not know yet.
    if (!line || (listener.painted && (newer(listener.painted, version) || !headline))) return
    listener.painted = version
    if (line.textContent !== headline) line.textContent = headline
  }
  listener.tell = (now) => {
    const channel = channels.get(listener.topic)
    const text = channel?.lostAt && now - channel.lostAt > 3000 && !signedOut ? "Not live, connecting again" : ""
    if (note && note.textContent !== text) note.textContent = text
  }
  listeners.add(listener)
  join(listener)
  return listener
}

const on = (name, act) => document.addEventListener(name, act, { capture: true })
on("pointerdown", () => { heldUntil = Date.now() + LONGEST_HOLD })
for (const name of ["pointerup", "pointercancel"]) on(name, () => {
  heldUntil = Date.now() + HOLD
  setTimeout(pump, HOLD + 1)
})
on("visibilitychange", pump)
setInterval(() => {
  for (const listener of listeners) listener.tell(Date.now())
  pump()
}, 1000)

export default function ({ data, parentElement, setTriggerValue }) {
  let listener = kept.get(parentElement)
  if (listener && listener.topic !== data.topic) {
    stop(listener, parentElement)
    listener = null
  }
  if (!listener) {
    listener = start(data, parentElement)
    kept.set(parentElement, listener)
  }
  listener.rerun = (news) => setTriggerValue("news", news)
  if (listener.run !== data.run) {
    Object.assign(listener, { run: data.run, ranAt: Date.now(), shown: data.version })
    Object.assign(listener, { fallback: data.fallback, refresh: data.refresh })
    if (!listener.whole) listener.tries = 0
    listener.paint(data.version, data.headline)
  }
  pump()
  // Streamlit calls what an overtaken call returned as well: only the last one means the end.
  const turn = listener.turn = {}
  return () => { if (listener.turn === turn) stop(listener, parentElement) }
}

function stop(listener, parentElement) {
  listeners.delete(listener)
  kept.delete(parentElement)
  leave(listener)
}
