// The sections below a result: at most one is open, and the server is asked for its parts when it opens. The address and this visit remember
// which. Attributes of a section's body: `data-open`; `aria-busy` while it waits; `data-number` of the question that it waits for;
// `data-stale` while what it holds is of another face.
(() => {
  "use strict";

  const ask = new Map();
  let questions = 0;
  const heads = () => [...document.querySelectorAll(".tt-section")];
  const bodyOf = (head) => document.getElementById(head.getAttribute("aria-controls"));
  const openBody = () => document.querySelector(".tt-section-body[data-open]");
  const named = (hash) => `tt-${hash.slice(1)}`;

  // Private windows, and frames of other sites, may have no storage.
  const remembered = () => {
    if (ask.has(named(location.hash))) return named(location.hash);
    try { return sessionStorage.getItem("telltale-section"); } catch { return null; }
  };
  const remember = (id) => {
    try { sessionStorage.setItem("telltale-section", id); } catch { /* the address remembers it */ }
    history.replaceState(history.state, "", `${location.pathname}${location.search}${id && `#${id.slice(3)}`}`);
  };

  // A wish is about the face that is shown: what is there stays until its answer comes.
  const load = (body, wish = null) => {
    body.dataset.number = ++questions;
    body.setAttribute("aria-busy", "true");
    body.toggleAttribute("data-stale", !wish);
    body.dataset.wish = Object.keys(wish ?? {}).join();
    ask.get(body.id)({ index: questions, value: wish });
  };
  const settle = (body) => {
    if (body.querySelector("[data-number]")?.dataset.number !== body.dataset.number) return;
    body.removeAttribute("aria-busy");
    body.removeAttribute("data-stale");
    keepFocus(body);
  };
  // What a reader wished with may have been drawn anew, or be gone.
  const keepFocus = (body) => {
    const { wish } = body.dataset;
    if (!wish || document.activeElement !== document.body) return;
    body.tabIndex = -1;
    (body.querySelector(`select[data-${wish}], [data-${wish}][aria-checked=true]`) ?? body).focus({ preventScroll: true });
  };

  const mark = () => { for (const head of heads()) head.setAttribute("aria-expanded", String(bodyOf(head).hasAttribute("data-open"))); };
  const open = (id) => {
    if (openBody()?.id === id) return;
    for (const body of heads().map(bodyOf)) body.toggleAttribute("data-open", body.id === id);
    mark();
    remember(id);
    if (openBody()) load(openBody());
  };

  document.addEventListener("click", (event) => {
    const head = event.target.closest?.(".tt-section");
    if (!head) return;
    open(bodyOf(head) === openBody() ? "" : bodyOf(head).id);
    head.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    window.telltale.stepTo(event, heads())?.focus();
  });
  document.addEventListener("telltale-reveal", (event) => {
    const body = event.target.closest(".tt-section-body");
    if (body) open(body.id);
  });
  addEventListener("hashchange", () => {
    const body = document.getElementById(named(location.hash));
    if (body?.matches(".tt-section-body")) window.telltale.goTo(body);
  });

  const wished = (target) => {
    const opinion = target.closest("[data-opinion]"), patches = target.closest("[data-patches]");
    if (patches) patches.textContent = patches.dataset.working;
    return opinion ? { opinion: Number(opinion.dataset.opinion) } : patches ? { patches: true } : null;
  };

  // Called once for what each section is drawn into, with Gradio's way of telling the server.
  window.telltale.section = (element, trigger) => {
    const body = element.closest(".tt-section-body");
    ask.set(body.id, (question) => trigger("select", question));
    element.addEventListener("click", (event) => {
      const wish = body.hasAttribute("aria-busy") ? null : wished(event.target);
      if (wish) load(body, wish);
    });
    element.addEventListener("change", (event) => {
      if (event.target.matches("[data-label]")) load(body, { label: event.target.value });
    });
    new MutationObserver(() => settle(body)).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-number"] });
    if (remembered() === body.id) open(body.id);
  };
  // Another face, or another language: what is open is of the one before, and heads that were drawn anew know nothing of what is open.
  window.telltale.again = () => {
    mark();
    if (openBody()) load(openBody());
  };
})();
