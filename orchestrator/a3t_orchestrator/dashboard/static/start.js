// The form that begins a run: a short trial is offered only where the recipe has one.

const fast = document.querySelector('input[name="fast"]');

function offer() {
  const chosen = document.querySelector('input[name="recipe"]:checked');
  const pasted = document.getElementById("text").value.trim() !== "";
  fast.disabled = !pasted && chosen !== null && chosen.dataset.fast !== "yes";
}

document.addEventListener("input", offer);
offer();
