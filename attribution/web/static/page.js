// What Gradio has no part for: light and dark, choosing a face, and the timeline of a clip. No library, nothing fetched.
(() => {
  "use strict";

  const words = (form, values) => window.telltaleWords[form].replace(/{(\w+)}/g, (_, name) => values[name]);

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

  // Gradio gives the document a base address, which would send a link within a page to another one. A section opens for what is in it.
  const goTo = (place) => {
    const section = place.closest(".tt-section-body");
    if (section) openSection(section.id);
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

  // The sections below a result: at most one is open, and the server is asked for its parts when it opens. The address and this visit
  // remember which. Attributes of a body: `data-open`, `aria-busy` while it waits, `data-number` of what it waits for, `data-stale` while
  // what it shows is of another face.
  const ask = new Map();
  let questions = 0;
  const heads = () => [...document.querySelectorAll(".tt-section")];
  const bodyOf = (head) => document.getElementById(head.getAttribute("aria-controls"));
  const openBody = () => document.querySelector(".tt-section-body[data-open]");

  const remembered = () => {
    const wanted = `tt-${location.hash.slice(1)}`;
    if (ask.has(wanted)) return wanted;
    try { return sessionStorage.getItem("telltale-section"); } catch { return null; }
  };
  const remember = (id) => {
    try { sessionStorage.setItem("telltale-section", id); } catch { /* private windows may have no storage */ }
    history.replaceState(history.state, "", `${location.pathname}${location.search}${id ? `#${id.slice(3)}` : ""}`);
  };
  const load = (body, wish = null) => {
    body.dataset.number = ++questions;
    body.setAttribute("aria-busy", "true");
    body.toggleAttribute("data-stale", !wish);
    ask.get(body.id)({ index: questions, value: wish });
  };
  const arrived = (body) => {
    if (body.querySelector("[data-number]")?.dataset.number !== body.dataset.number) return;
    body.removeAttribute("aria-busy");
    body.removeAttribute("data-stale");
  };
  const openSection = (id) => {
    if (openBody()?.id === id) return;
    for (const head of heads()) {
      const body = bodyOf(head), opens = body.id === id;
      head.setAttribute("aria-expanded", String(opens));
      body.toggleAttribute("data-open", opens);
      if (opens) load(body);
    }
    remember(id);
  };
  document.addEventListener("click", (event) => {
    const head = event.target.closest?.(".tt-section");
    if (!head) return;
    const body = bodyOf(head);
    openSection(body.hasAttribute("data-open") ? "" : body.id);
    head.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    const head = event.target.closest?.(".tt-section"), all = heads(), at = all.indexOf(head);
    const forth = document.documentElement.dir === "rtl" ? -1 : 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, ArrowRight: at + forth, ArrowLeft: at - forth, Home: 0, End: -1 }[event.key];
    if (!head || to === undefined) return;
    all.at(to % all.length).focus();
    event.preventDefault();
  });
  addEventListener("hashchange", () => {
    const body = document.getElementById(`tt-${location.hash.slice(1)}`);
    if (body?.matches(".tt-section-body")) goTo(body);
  });
  document.addEventListener("input", (event) => {
    event.target.closest?.(".tt-compare")?.style.setProperty("--tt-cut", `${event.target.value}%`);
  });

  // Faces: every element with data-face inside the result asks for that face; all of them show which one is chosen.
  const show = (face) => {
    for (const one of document.querySelectorAll(".tt-box")) one.setAttribute("aria-pressed", String(one.dataset.face === face));
    for (const one of document.querySelectorAll(".tt-choices [data-face]")) {
      one.setAttribute("aria-checked", String(one.dataset.face === face));
      one.tabIndex = one.dataset.face === face ? 0 : -1;
    }
    for (const one of document.querySelectorAll(".tt-areas-of")) one.hidden = one.dataset.of !== face;
    for (const one of document.querySelectorAll(".tt-follow")) one.classList.toggle("tt-chosen", one.dataset.face === face);
    const clip = document.querySelector(".tt-clip");
    if (clip) { state(clip).face = Number(face); seek(clip, state(clip).tracks[face].start); }
  };

  const clips = new WeakMap();
  const state = (clip) => {
    if (!clips.has(clip)) {
      const data = JSON.parse(clip.dataset.clip);
      const face = Number(clip.querySelector(".tt-track")?.dataset.chosen ?? 0);
      clips.set(clip, { ...data, face, now: data.tracks[face]?.start ?? 0 });
    }
    return clips.get(clip);
  };
  const nearest = (times, moment) => times.reduce((best, time, i) => (Math.abs(time - moment) < Math.abs(times[best] - moment) ? i : best), 0);
  // Words come from the server (text/numbers.py): those of a probability with the clip, the forms of moments and sizes with the page.
  const clock = (s) => (s < 60 ? words("seconds", { seconds: s.toFixed(1) })
    : words("minutes", { minutes: Math.floor(s / 60), seconds: (s % 60).toFixed(1).padStart(4, "0") }));

  // Between two examined frames a box moves in a straight line; further away from any, it is not shown.
  const boxAt = (track, moment) => {
    if (!track.at.length) return null;
    const after = track.at.findIndex((time) => time >= moment);
    const step = track.at.length > 1 ? (track.at.at(-1) - track.at[0]) / (track.at.length - 1) : 0.5;
    if (after < 0) return moment - track.at.at(-1) <= step ? track.boxes.at(-1) : null;
    if (after === 0) return track.at[0] - moment <= step ? track.boxes[0] : null;
    const [t0, t1] = [track.at[after - 1], track.at[after]];
    if (t1 - t0 > 3 * step + 0.1) return null;
    const share = t1 > t0 ? (moment - t0) / (t1 - t0) : 0;
    return track.boxes[after].map((to, i) => track.boxes[after - 1][i] * (1 - share) + to * share);
  };

  const draw = (clip) => {
    const { now, face, tracks, duration } = state(clip);
    const track = tracks[face];
    for (const one of clip.querySelectorAll(".tt-follow")) {
      const box = tracks[one.dataset.face] && boxAt(tracks[one.dataset.face], now);
      one.style.display = box ? "block" : "none";
      if (box) Object.assign(one.style, { left: `${100 * box[0]}%`, top: `${100 * box[1]}%`, width: `${100 * (box[2] - box[0])}%`, height: `${100 * (box[3] - box[1])}%` });
      one.classList.toggle("tt-chosen", Number(one.dataset.face) === face);
    }
    // Areas were marked on one frame: they show as long as no other examined one is nearer.
    for (const one of clip.querySelectorAll(".tt-areas-of")) {
      const own = Number(one.dataset.of), times = tracks[own]?.at ?? [], at = Number(one.dataset.seconds);
      one.hidden = own !== face || Math.abs(now - at) > 0.25 || (times.length > 0 && Math.abs(times[nearest(times, now)] - at) > 0.002);
    }
    const frames = [...clip.querySelectorAll(".tt-frame")];
    if (frames.length) {
      const at = nearest(frames.map((frame) => Number(frame.dataset.seconds)), now);
      frames.forEach((frame, i) => { frame.classList.toggle("tt-now", i === at); frame.classList.toggle("tt-off", i !== at); });
    }
    const slider = clip.querySelector(".tt-track");
    if (!slider || !track) return;
    slider.querySelectorAll(".tt-curve").forEach((curve, i) => curve.classList.toggle("tt-chosen", i === face));
    slider.querySelector(".tt-playhead").style.left = `${Math.min(100, (100 * now) / duration)}%`;
    const p = track.p[nearest(track.seconds, now)];
    const said = p === undefined ? clock(now) : words("moment", { moment: clock(now), p });
    slider.querySelector(".tt-moment").textContent = said;
    slider.setAttribute("aria-valuenow", now.toFixed(1));
    slider.setAttribute("aria-valuetext", said);
  };

  const video = (clip) => { const player = clip.querySelector("video"); return player && !clip.classList.contains("tt-framewise") ? player : null; };
  const seek = (clip, moment) => {
    state(clip).now = moment;
    const player = video(clip);
    if (player) { player.pause(); player.currentTime = moment; }
    draw(clip);
  };

  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -1e9, End: 1e9 };
  // The arrow keys go round in a row of choices and choose.
  const stepRadio = (radio, step) => {
    const all = [...radio.parentElement.children];
    const next = all[(Math.max(-1, Math.min(all.length, all.indexOf(radio) + step)) + all.length) % all.length];
    next.focus();
    next.click();
  };

  // Called once for each part of the page that holds faces or opinions, with Gradio's way of telling the server.
  window.telltale = {
    section(element, trigger) {
      const body = element.closest(".tt-section-body"), wish = (one) => load(body, one);
      ask.set(body.id, (question) => trigger("select", question));
      element.addEventListener("click", (event) => {
        const opinion = event.target.closest("[data-opinion]"), patches = event.target.closest("[data-patches]");
        if (opinion) wish({ opinion: Number(opinion.dataset.opinion) });
        if (patches) {
          patches.disabled = true;
          patches.textContent = patches.dataset.working;
          wish({ patches: true });
        }
      });
      element.addEventListener("change", (event) => {
        if (event.target.matches("[data-label]")) wish({ label: event.target.value });
      });
      element.addEventListener("keydown", (event) => {
        const radio = event.target.closest("[role=radio]");
        if (!radio || steps[event.key] === undefined) return;
        stepRadio(radio, steps[event.key]);
        event.preventDefault();
      });
      new MutationObserver(() => arrived(body)).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-number"] });
      if (remembered() === body.id) openSection(body.id);
    },
    // Another face, or another language: what is open is of the one before. Redrawn heads know nothing of what is open.
    again() {
      for (const head of heads()) head.setAttribute("aria-expanded", String(bodyOf(head).hasAttribute("data-open")));
      const body = openBody();
      if (body) load(body);
    },
    showVerdict() {
      document.querySelector(".tt-examples")?.removeAttribute("open");
      const verdict = document.getElementById("tt-verdict");
      verdict?.scrollIntoView({ block: "start" });
      verdict?.focus({ preventScroll: true });
    },
    faces(element, trigger) {
      let waiting;
      const ask = (face, seconds) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => trigger("select", { index: Number(face), value: seconds }), seconds === null ? 0 : 250);
      };
      element.addEventListener("click", (event) => {
        const one = event.target.closest("[data-face]");
        if (one) { show(one.dataset.face); ask(one.dataset.face, null); return; }
        const slider = event.target.closest(".tt-track");
        if (!slider) return;
        const clip = slider.closest(".tt-clip"), area = slider.getBoundingClientRect(), { duration, tracks, face } = state(clip);
        const times = tracks[face].seconds;
        const moment = times[nearest(times, (duration * (event.clientX - area.left)) / area.width)];
        seek(clip, moment);
        ask(face, moment);
      });
      element.addEventListener("keydown", (event) => {
        const step = steps[event.key];
        if (step === undefined) return;
        const radio = event.target.closest("[role=radio]"), slider = event.target.closest(".tt-track");
        if (radio) {
          stepRadio(radio, step);
        } else if (slider) {
          const clip = slider.closest(".tt-clip"), { tracks, face, now } = state(clip), times = tracks[face].seconds;
          const moment = times[Math.max(0, Math.min(times.length - 1, nearest(times, now) + step))];
          seek(clip, moment);
          ask(face, moment);
        } else return;
        event.preventDefault();
      });
      // Media events do not bubble, but they can be caught on their way down.
      for (const name of ["timeupdate", "seeked", "loadedmetadata"]) {
        element.addEventListener(name, (event) => {
          const clip = event.target.closest(".tt-clip");
          if (clip && event.target.readyState > 0) { state(clip).now = event.target.currentTime; draw(clip); }
        }, true);
      }
      element.addEventListener("error", (event) => {
        const clip = event.target.tagName === "VIDEO" ? event.target.closest(".tt-clip") : null;
        if (!clip) return;
        clip.classList.add("tt-framewise");
        clip.querySelector(".tt-player-failed").hidden = false;
        draw(clip);
      }, true);
      const start = () => {
        const clip = element.querySelector(".tt-clip");
        if (!clip) return;
        seek(clip, state(clip).now);
      };
      new MutationObserver(start).observe(element, { childList: true, subtree: false });
      start();
    },
  };
})();
