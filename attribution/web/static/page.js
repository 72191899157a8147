// What Gradio has no part for on any page: light and dark, links within it, rows of choices. No library, nothing fetched.
(() => {
  "use strict";

  const stored = () => { try { return localStorage.getItem("telltale-mode"); } catch { return null; } };
  const setMode = (dark) => {
    document.body.classList.toggle("dark", dark);
    document.documentElement.classList.toggle("dark", dark);
  };
  // Gradio decides on a mode while it loads, and may do so more than once: the reader's own choice is put back each time.
  const settle = () => {
    const mode = stored();
    if (mode && document.body.classList.contains("dark") !== (mode === "dark")) setMode(mode === "dark");
  };
  const watchMode = () => {
    settle();
    new MutationObserver(settle).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  if (document.body) watchMode(); else document.addEventListener("DOMContentLoaded", watchMode);
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(".tt-mode")) return;
    const dark = !document.body.classList.contains("dark");
    try { localStorage.setItem("telltale-mode", dark ? "dark" : "light"); } catch { /* private windows may have no storage */ }
    setMode(dark);
  });

  // Gradio gives the document a base address, which would send a link within a page to another one. Whatever hides the place opens first.
  const goTo = (place) => {
    place.dispatchEvent(new CustomEvent("telltale-reveal", { bubbles: true }));
    if (!place.hasAttribute("tabindex")) place.tabIndex = -1;
    place.scrollIntoView({ block: "start" });
    place.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']"), place = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    goTo(place);
  });

  // The arrow keys go round among `all`, as they are read. Gives the one that a key goes to from the one it was pressed on.
  const stepTo = (event, all) => {
    const at = all.findIndex((one) => one.contains(event.target)), forth = document.documentElement.dir === "rtl" ? -1 : 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, ArrowRight: at + forth, ArrowLeft: at - forth, Home: 0, End: -1 }[event.key];
    if (at < 0 || to === undefined) return null;
    event.preventDefault();
    return all.at(to % all.length);
  };

  // A row of choices: one is chosen by a click, or by going to it.
  const choose = (radio) => {
    for (const one of radio.parentElement.children) {
      one.setAttribute("aria-checked", String(one === radio));
      one.tabIndex = one === radio ? 0 : -1;
    }
  };
  document.addEventListener("click", (event) => {
    const radio = event.target.closest?.(".tt-choices [role=radio]");
    if (radio) choose(radio);
  });
  document.addEventListener("keydown", (event) => {
    const row = event.target.closest?.(".tt-choices"), next = row && stepTo(event, [...row.children]);
    next?.focus();
    next?.click();
  });

  // The slider between a face and its heatmap.
  document.addEventListener("input", (event) => {
    event.target.closest?.(".tt-compare")?.style.setProperty("--tt-cut", `${event.target.value}%`);
  });

  const showVerdict = () => {
    const verdict = document.getElementById("tt-verdict");
    verdict?.scrollIntoView({ block: "start" });
    verdict?.focus({ preventScroll: true });
  };

  window.telltale = { goTo, stepTo, choose, showVerdict };
})();
