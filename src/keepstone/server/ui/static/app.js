// What pages do beyond links and forms. Everything here only improves what works without it.
"use strict";

(() => {
  // Colours of the theme in use, for what draws on a canvas.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // An error that htmx did not swap in, as when the server cannot be reached, is told where people look.
  document.addEventListener("htmx:error", () => {
    document.documentElement.classList.add("offline");
  });
  document.addEventListener("htmx:after:request", () => {
    document.documentElement.classList.remove("offline");
  });

  // Selects that choose what is shown send their form at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });

  window.keepstone = { colour };
})();
