// Parts that are loaded when they are opened, and keys: n and p go to the next and the previous page or episode.

for (const details of document.querySelectorAll("details[data-part]")) {
  details.addEventListener("toggle", async () => {
    if (!details.open || details.dataset.loaded) return;
    const place = details.querySelector(":scope > div");
    try {
      const reply = await fetch(details.dataset.part, { headers: { Accept: "text/html" } });
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      place.innerHTML = await reply.text(); // rendered and escaped by the server; the policy forbids scripts in it
      details.dataset.loaded = "yes";
    } catch {
      place.textContent = "This could not be loaded. Close and open it to try again.";
    }
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`)?.click();
});
