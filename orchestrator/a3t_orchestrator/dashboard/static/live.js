// Keeps parts of a page up to date without loading the page again.
//
// <section data-live="/runs/x/part" data-every="2"> … </section>: every 2 seconds the new content of the element is requested
// from this address, as long as the page is visible; with data-now also at once. A header X-Last in the reply means that
// nothing will change any more. Unfolded details, focus and typed text are kept. After a change the element sends the event
// "live:changed". If `data-say` of an element inside changes, its text is read out, all other parts ask at once, and the
// notice that a form left is removed.
//
// data-stream="/v1/runs/x/events?stream=true" on one of the parts: the page follows these server-sent events. As long as they
// come, a part with data-on="progress run" asks when one of the named events comes, and otherwise only every 30 seconds.

import { say } from "./base.js";

const SLOWEST = 30;
const READ = 5000; // milliseconds for which a notice stays at least
const parts = new Set();
let following = false;

class LivePart {
  constructor(element) {
    parts.add(this);
    this.element = element;
    this.on = new Set((element.dataset.on ?? "").split(" "));
    this.every = Number(element.dataset.every) || 3;
    this.pause = this.every;
    this.asked = 0;
    this.last = null;
    this.told = element.querySelector("[data-say]")?.dataset.say;
    document.addEventListener("live:turn", (event) => {
      if (event.detail === this.element || !this.timer) return;
      clearTimeout(this.timer);
      this.ask();
    });
    if (element.dataset.now) this.ask();
    else this.later();
  }

  later() {
    const pause = following && this.element.dataset.on ? SLOWEST : this.pause;
    this.timer = setTimeout(() => this.ask(), pause * 1000);
    if (this.again) this.nudge();
  }

  /** Ask soon, but not more than three times as often as without a stream. */
  nudge() {
    this.again = !this.timer;
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), Math.max(0, this.asked + (this.every * 1000) / 3 - Date.now()));
  }

  async ask() {
    this.timer = 0;
    this.asked = Date.now();
    if (!this.element.isConnected) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => this.ask(), { once: true });
      return;
    }
    try {
      const reply = await fetch(this.element.dataset.live, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (reply.type === "opaqueredirect") { location.reload(); return; }
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      this.show(await reply.text());
      this.pause = this.every;
      this.element.classList.remove("stale");
      if (reply.headers.has("x-last")) { parts.delete(this); return; }
    } catch {
      this.element.classList.add("stale");
      this.pause = Math.min(2 * this.pause, SLOWEST);
    }
    this.later();
  }

  show(html) {
    if (html === this.last) return;
    this.last = html;
    const active = document.activeElement;
    if (this.element.contains(active) && active.matches("input:not([type=checkbox]), select, textarea")) return;
    if (this.element.contains(active) && active.closest("form")?.dataset.ask && document.getElementById("ask").open) return;
    const focused = this.element.contains(active) ? placeOf(active) : "";
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    keepState(this.element, fresh);
    this.element.replaceChildren(...fresh.childNodes);
    if (focused) this.element.querySelector(focused)?.focus();
    const told = this.element.querySelector("[data-say]");
    if (told && told.dataset.say !== this.told) {
      say(told.dataset.say);
      this.told = told.dataset.say;
      const notice = document.querySelector("main > .notice:not(.bad)");
      if (notice) setTimeout(() => notice.remove(), Math.max(0, READ - performance.now()));
      document.dispatchEvent(new CustomEvent("live:turn", { detail: this.element }));
    }
    this.element.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
  }
}

/** Follow a run's events: each event makes the parts that depend on it ask for new content. The browser reconnects by itself. */
class Stream {
  constructor(address) {
    this.address = address;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    if (!document.hidden) this.open();
  }

  open() {
    if (this.ended || this.source) return;
    this.source = new EventSource(this.address);
    this.source.onopen = () => { following = true; };
    this.source.onerror = () => { following = false; tell(""); };
    for (const kind of ["message", "progress", "run", "end"]) this.source.addEventListener(kind, () => tell(kind));
    this.source.addEventListener("end", () => { this.ended = true; this.close(); });
  }

  close() {
    this.source?.close();
    this.source = null;
    following = false;
    tell("");
  }
}

/** Let the parts that depend on this kind of event ask now; with "" all parts, which from then on ask as often as without a stream. */
function tell(kind) {
  for (const part of parts) if (part.element.dataset.on && (!kind || part.on.has(kind))) part.nudge();
}

/** Return a selector that finds the element again in new content of the same part. */
function placeOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const action = element.closest("form")?.getAttribute("action");
  if (action) return `form[action="${CSS.escape(action)}"] button`;
  const address = element.getAttribute("href");
  return address ? `a[href="${CSS.escape(address)}"]` : "";
}

/** Keep what is unfolded or ticked. */
function keepState(old, fresh) {
  for (const found of old.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(found.id)}`);
    if (same) same.open = found.open;
  }
  for (const found of old.querySelectorAll("input[type=checkbox][id]")) {
    const same = fresh.querySelector(`#${CSS.escape(found.id)}`);
    if (same) same.checked = found.checked;
  }
}

/** A link with `data-load` loads its page into the element of that id, and the present page stays. */
async function loadHere(event) {
  const link = event.target.closest?.("a[data-load]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const place = document.getElementById(link.dataset.load);
  const reply = await fetch(link.href, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").body;
  place.replaceChildren(...fresh.childNodes);
  place.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
}

/** Follow every part below `root` that is marked. */
export function followAll(root) {
  for (const element of root.querySelectorAll("[data-live]")) new LivePart(element);
  for (const element of root.querySelectorAll("[data-stream]")) new Stream(element.dataset.stream);
}

document.addEventListener("click", loadHere);
followAll(document);
