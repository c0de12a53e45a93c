// What pages do beyond links and forms. Everything here only improves what works without it.
"use strict";

(() => {
  // Colours of the theme in use, for what draws on a canvas.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // That the server cannot be reached is told where people look.
  const tell = (isOffline) => {
    document.getElementById("offline").hidden = !isOffline;
  };
  document.addEventListener("htmx:error", () => tell(true));
  document.addEventListener("htmx:after:request", () => tell(false));

  // Selects that choose what is shown send their form at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });

  window.keepstone = { colour };
})();
