// Keeps parts of a page up to date without loading it again.
//
// <section data-live="/runs/x/part" data-every="2"> … </section>: every 2 seconds the address is asked for the new
// content of the element, as long as the page is seen; with data-now at once, too. A header X-Last means that nothing will change any more. What is
// open, focused or typed stays so. After a change the element sends the event "live:changed".
// An element inside whose `data-say` changes is read out, and every other part asks at once.

import { say } from "./base.js";

const SLOWEST = 30;

class LivePart {
  constructor(element) {
    this.element = element;
    this.every = Number(element.dataset.every) || 3;
    this.pause = this.every;
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
    this.timer = setTimeout(() => this.ask(), this.pause * 1000);
  }

  async ask() {
    this.timer = 0;
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
      if (reply.headers.has("x-last")) return;
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
      document.dispatchEvent(new CustomEvent("live:turn", { detail: this.element }));
    }
    this.element.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
  }
}

/** A selector that finds the element again in content of the same kind. */
function placeOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const action = element.closest("form")?.getAttribute("action");
  if (action) return `form[action="${CSS.escape(action)}"] button`;
  const address = element.getAttribute("href");
  return address ? `a[href="${CSS.escape(address)}"]` : "";
}

/** What is folded open or ticked stays so. */
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

/** A link with `data-load` puts its page into the element of that id, instead of leaving this page. */
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
}

document.addEventListener("click", loadHere);
followAll(document);
