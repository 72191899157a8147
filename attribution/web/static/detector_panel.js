// The panel where detectors are chosen: shows what belongs to each choice, and tells the server what is to be done. Nothing is fetched here.
(() => {
  "use strict";

  const size = (bytes) => {
    const sizes = window.telltaleWords.sizes, [factor, words] = sizes.find(([least]) => bytes >= least) ?? sizes.at(-1);
    return words.replace("{size}", (bytes / factor).toFixed(1));
  };
  const slots = (element) => [...element.querySelectorAll(".tt-slot")];
  const list = (slot) => slot.querySelector(":scope > select");
  const shownFacts = (slot) => [...slot.querySelectorAll(".tt-facts")].find((facts) => facts.dataset.for === list(slot).value);

  // Whoever watches for changes would see one where there is none.
  const write = (place, words) => { if (place.textContent !== words) place.textContent = words; };

  const update = (element) => {
    const button = element.querySelector("[data-do=use]"), why = element.querySelector("[data-why]");
    if (!button) return;
    let missing = "", bytes = 0;
    for (const slot of slots(element)) {
      for (const facts of slot.querySelectorAll(".tt-facts")) facts.hidden = facts.dataset.for !== list(slot).value;
      const option = list(slot).selectedOptions[0], needs = option?.dataset.needs ?? "";
      if (needs === "look" || needs === "name") missing ||= needs;
      if (needs === "download") bytes += Number(option.dataset.bytes ?? 0);
      if ([...(shownFacts(slot)?.querySelectorAll("[data-label]") ?? [])].some((question) => !question.value)) missing ||= "ask";
    }
    button.disabled = missing !== "";
    write(button, bytes > 0 ? button.dataset.download.replace("{size}", size(bytes)) : button.dataset.use);
    why.hidden = missing === "";
    write(why, missing ? why.dataset[missing] : "");
  };

  const said = (slot) => {
    const facts = shownFacts(slot), meanings = {};
    for (const question of facts?.querySelectorAll("[data-label]") ?? []) meanings[question.dataset.label] = question.value;
    return { chosen: list(slot).value, typed: slot.querySelector("input")?.value ?? "", view: facts?.querySelector("[data-view]")?.value ?? "", meanings };
  };
  const collect = (element) => Object.fromEntries(slots(element).map((slot) => [slot.dataset.slot, said(slot)]));

  // Gradio changes what is there into what the server sent, and a control that somebody has used keeps what they put into it: with a new
  // stamp it gets what the server says.
  const stamps = new WeakMap();
  const settle = (element) => {
    const stamp = element.querySelector("[data-stamp]")?.dataset.stamp;
    if (stamp !== stamps.get(element)) {
      stamps.set(element, stamp);
      for (const option of element.querySelectorAll("option")) option.selected = option.defaultSelected;
      for (const one of element.querySelectorAll("select")) if (!one.querySelector("option[selected]")) one.selectedIndex = 0;
      for (const input of element.querySelectorAll("input")) input.value = input.defaultValue;
    }
    update(element);
    // What is new on the page and wants the keyboard gets it.
    const wanted = element.querySelector("[data-focus]");
    if (!wanted) return;
    wanted.removeAttribute("data-focus");
    wanted.focus({ preventScroll: true });
    wanted.scrollIntoView({ block: "nearest" });
  };

  window.telltale.panel = (element, trigger) => {
    const act = (what, slot) => trigger("select", { index: what, value: { ...collect(element), slot } });
    element.addEventListener("change", () => update(element));
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-do]");
      if (button && !button.disabled) act(button.dataset.do, button.closest(".tt-slot")?.dataset.slot ?? "");
    });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      act("look", event.target.closest(".tt-slot").dataset.slot);
    });
    new MutationObserver(() => settle(element)).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-stamp", "data-focus"] });
    settle(element);
  };
})();
