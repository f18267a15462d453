// Keeps parts of a page up to date without loading it again.
//
// <section data-live="/runs/x/part" data-every="2"> … </section>: every 2 seconds the address is asked for the new
// content of the element, as long as the page is seen. An answer 204 means that nothing will change any more. What is
// open, focused or typed stays so. After a change the element sends the event "live:changed".
// An element with `data-say` inside is read out when its text changes.

import { say } from "./base.js";

const SLOWEST = 30;

class LivePart {
  constructor(element) {
    this.element = element;
    this.every = Number(element.dataset.every) || 3;
    this.pause = this.every;
    this.last = null;
    this.later();
  }

  later() {
    setTimeout(() => this.ask(), this.pause * 1000);
  }

  async ask() {
    if (!this.element.isConnected) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => this.ask(), { once: true });
      return;
    }
    try {
      const reply = await fetch(this.element.dataset.live, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (reply.type === "opaqueredirect") { location.reload(); return; }
      if (reply.status === 204) { this.element.removeAttribute("data-live"); return; }
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      this.show(await reply.text());
      this.pause = this.every;
      this.element.classList.remove("stale");
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
    if (this.element.contains(active) && active.matches("input, select, textarea")) return;
    const focused = this.element.contains(active) ? active.id : "";
    const open = [...this.element.querySelectorAll("details[id][open]")].map((found) => found.id);
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    for (const id of open) fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    this.element.replaceChildren(...fresh.childNodes);
    if (focused) document.getElementById(focused)?.focus();
    const told = this.element.querySelector("[data-say]");
    if (told) say(told.dataset.say || told.textContent.trim());
    this.element.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
  }
}

/** Follow every part below `root` that is marked. */
export function followAll(root) {
  for (const element of root.querySelectorAll("[data-live]")) new LivePart(element);
}

followAll(document);
