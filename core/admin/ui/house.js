// The queue: how many messages are chosen, and all of the page at once.
addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("chosen");
  if (form === null) return;
  const boxes = [...document.querySelectorAll('input[form="chosen"]')];
  const words = form.querySelector("[data-chosen]"), head = document.querySelector("th.pick");
  const all = Object.assign(document.createElement("input"), { type: "checkbox" });
  all.setAttribute("aria-label", "Choose all of this page");
  head.append(all);
  const tell = () => {
    const count = boxes.filter((box) => box.checked).length;
    words.textContent = count === 0
      ? "Choose messages, or all of this page:"
      : `${count} ${count === 1 ? "message" : "messages"} chosen:`;
    for (const button of form.querySelectorAll("button")) button.disabled = count === 0;
    all.checked = count === boxes.length && count > 0;
    all.indeterminate = count > 0 && count < boxes.length;
  };
  all.onchange = () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  };
  for (const box of boxes) box.onchange = tell;
  addEventListener("pageshow", tell); // a browser that goes back keeps the boxes
  tell();
});
