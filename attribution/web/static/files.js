// Giving files by pasting them, the seconds of an examination, and the table of several files. No library, nothing fetched.
(() => {
  "use strict";

  // What is pasted anywhere on the page goes the way of what is chosen.
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files, input = document.querySelector("#tt-drop input[type=file]");
    if (!files?.length || !input) return;
    event.preventDefault();
    const given = new DataTransfer();
    for (const file of files) given.items.add(file);
    input.files = given.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // The picker offers what can be read. Gradio's own list would also refuse what is dropped, by its name.
  document.addEventListener("click", (event) => {
    if (event.target.matches?.("#tt-drop input[type=file]")) event.target.accept = document.querySelector("[data-offered]").dataset.offered;
  }, true);

  // Each step draws the clock anew, with what the server has counted so far.
  const begun = new WeakMap();
  const said = (seconds) => {
    const { language, ...forms } = window.telltaleWords, digits = (n, least) => new Intl.NumberFormat(language, { minimumIntegerDigits: least }).format(n);
    const values = { minutes: digits(Math.floor(seconds / 60), 1), seconds: digits(seconds % 60, seconds < 60 ? 1 : 2) };
    return forms[seconds < 60 ? "seconds" : "minutes"].replace(/{(\w+)}/g, (_, name) => values[name]);
  };
  setInterval(() => {
    for (const clock of document.querySelectorAll("[data-elapsed]")) {
      if (!begun.has(clock)) begun.set(clock, performance.now() - 1000 * Number(clock.dataset.elapsed));
      clock.textContent = said(Math.floor((performance.now() - begun.get(clock)) / 1000));
    }
  }, 250);

  window.telltaleFiles = {
    // What is being done stands where the examples were.
    begin() { document.querySelector(".tt-examples")?.removeAttribute("open"); },
    // A whole row opens, its button is for the keyboard.
    listen(element, trigger) {
      element.addEventListener("click", (event) => {
        const one = event.target.closest("[data-open]") ?? (event.target.closest("a") ? null : event.target.closest("tr")?.querySelector("[data-open]"));
        if (one) trigger("select", { index: Number(one.dataset.open), value: null });
      });
    },
    // The reader goes on where something new is: at a verdict, at the row that was open, or at the table.
    show() {
      if (document.getElementById("tt-verdict")) { window.telltale.showVerdict(); return; }
      const place = document.querySelector("[data-last]") ?? document.getElementById("tt-files-table");
      place?.scrollIntoView({ block: "nearest" });
      place?.focus({ preventScroll: true });
    },
  };
})();
