// Behaviour of all pages: questions before forms that cannot be undone, and relative times that are kept up to date.

/** Ask before a form with `data-ask` is sent. Browsers without dialogs show their own question. */
function askFirst(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.ask || form.dataset.asked) return;
  event.preventDefault();
  const dialog = document.getElementById("ask");
  const submitter = event.submitter;
  dialog.querySelector("#ask-text").textContent = form.dataset.ask;
  dialog.querySelector("#ask-yes").textContent = form.dataset.yes || "Yes";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") { submitter?.focus(); return; }
    form.dataset.asked = "yes";
    form.requestSubmit(submitter);
  }, { once: true });
  dialog.returnValue = "no";
  dialog.showModal();
}

/** Say something to screen readers. */
export function say(text) {
  const place = document.getElementById("said");
  if (place && place.textContent !== text) place.textContent = text;
}

/** The token that requests to the API that change something must send in the header X-CSRF-Token. */
export function formToken() {
  return document.querySelector('meta[name="csrf"]')?.content ?? "";
}

document.addEventListener("submit", askFirst);
