// The file with its faces: choosing one, and the player and the timeline of a clip. Attributes: see render/file.py.
(() => {
  "use strict";

  // Words come from the server (text/numbers.py): those of a probability with the clip, the forms of moments with the page.
  const words = (form, values) => window.telltaleWords[form].replace(/{(\w+)}/g, (_, name) => values[name]);
  const clock = (s) => (s < 60 ? words("seconds", { seconds: s.toFixed(1) })
    : words("minutes", { minutes: Math.floor(s / 60), seconds: (s % 60).toFixed(1).padStart(4, "0") }));
  const nearest = (times, moment) => times.reduce((best, time, i) => (Math.abs(time - moment) < Math.abs(times[best] - moment) ? i : best), 0);

  // What is known of each clip: its tracks, the face that is chosen, and the moment that is shown.
  const clips = new WeakMap();
  const state = (clip) => {
    const written = clip.dataset.clip;
    if (clips.get(clip)?.written !== written) {
      const data = JSON.parse(written);
      const face = Number(clip.querySelector(".tt-track")?.dataset.chosen ?? 0);
      clips.set(clip, { ...data, written, face, now: data.tracks[face]?.start ?? 0 });
    }
    return clips.get(clip);
  };

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

  const drawBoxes = (clip, { now, face, tracks }) => {
    for (const one of clip.querySelectorAll(".tt-follow")) {
      const box = tracks[one.dataset.face] && boxAt(tracks[one.dataset.face], now);
      one.style.display = box ? "block" : "none";
      if (box) Object.assign(one.style, { left: `${100 * box[0]}%`, top: `${100 * box[1]}%`, width: `${100 * (box[2] - box[0])}%`, height: `${100 * (box[3] - box[1])}%` });
      one.classList.toggle("tt-chosen", Number(one.dataset.face) === face);
    }
  };
  // Areas were marked on one frame: they show as long as no other examined one is nearer.
  const drawAreas = (clip, { now, face, tracks }) => {
    for (const one of clip.querySelectorAll(".tt-areas-of")) {
      const own = Number(one.dataset.of), times = tracks[own]?.at ?? [], at = Number(one.dataset.seconds);
      one.hidden = own !== face || Math.abs(now - at) > 0.25 || (times.length > 0 && Math.abs(times[nearest(times, now)] - at) > 0.002);
    }
  };
  const drawFrames = (clip, { now }) => {
    const frames = [...clip.querySelectorAll(".tt-frame")], at = nearest(frames.map((frame) => Number(frame.dataset.seconds)), now);
    frames.forEach((frame, i) => { frame.classList.toggle("tt-now", i === at); frame.classList.toggle("tt-off", i !== at); });
  };
  const drawTimeline = (clip, { now, face, tracks, duration }) => {
    const slider = clip.querySelector(".tt-track"), track = tracks[face];
    if (!slider || !track) return;
    slider.querySelectorAll(".tt-curve").forEach((curve, i) => curve.classList.toggle("tt-chosen", i === face));
    slider.querySelector(".tt-playhead").style.left = `${Math.min(100, (100 * now) / duration)}%`;
    const p = track.p[nearest(track.seconds, now)];
    const said = p === undefined ? clock(now) : words("moment", { moment: clock(now), p });
    slider.querySelector(".tt-moment").textContent = said;
    slider.setAttribute("aria-valuenow", now.toFixed(1));
    slider.setAttribute("aria-valuetext", said);
  };
  const draw = (clip) => { for (const part of [drawBoxes, drawAreas, drawFrames, drawTimeline]) part(clip, state(clip)); };

  const video = (clip) => { const player = clip.querySelector("video"); return player && !clip.classList.contains("tt-framewise") ? player : null; };
  const seek = (clip, moment) => {
    state(clip).now = moment;
    const player = video(clip);
    if (player) { player.pause(); player.currentTime = moment; }
    draw(clip);
  };

  // Everything with data-face asks for that face; all of them show which one is chosen.
  const show = (face) => {
    for (const one of document.querySelectorAll(".tt-box")) one.setAttribute("aria-pressed", String(one.dataset.face === face));
    for (const one of document.querySelectorAll(`.tt-choices [data-face="${face}"]`)) window.telltale.choose(one);
    for (const one of document.querySelectorAll(".tt-areas-of")) one.hidden = one.dataset.of !== face;
    const clip = document.querySelector(".tt-clip");
    if (clip) { state(clip).face = Number(face); seek(clip, state(clip).tracks[face].start); }
  };

  // The examined moment that a click on the timeline, or a key on it, goes to; null for another key.
  const momentAt = (slider, { tracks, face, duration }, event) => {
    const times = tracks[face].seconds, area = slider.getBoundingClientRect();
    return times[nearest(times, (duration * (event.clientX - area.left)) / area.width)];
  };
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -1e9, End: 1e9 };
  const momentAfter = ({ tracks, face, now }, key) => {
    const times = tracks[face].seconds;
    return steps[key] === undefined ? null : times[Math.max(0, Math.min(times.length - 1, nearest(times, now) + steps[key]))];
  };

  // Media events do not bubble, but they can be caught on their way down.
  const followPlayer = (element) => {
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
  };

  // Called once for each part of the page that holds faces, with Gradio's way of telling the server.
  window.telltale.faces = (element, trigger) => {
    let waiting;
    const ask = (face, seconds) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => trigger("select", { index: Number(face), value: seconds }), seconds === null ? 0 : 250);
    };
    const goTo = (clip, moment) => { seek(clip, moment); ask(state(clip).face, moment); };
    element.addEventListener("click", (event) => {
      const one = event.target.closest("[data-face]"), slider = event.target.closest(".tt-track"), clip = slider?.closest(".tt-clip");
      if (one) { show(one.dataset.face); ask(one.dataset.face, null); } else if (clip) goTo(clip, momentAt(slider, state(clip), event));
    });
    element.addEventListener("keydown", (event) => {
      const clip = event.target.closest(".tt-track")?.closest(".tt-clip"), moment = clip ? momentAfter(state(clip), event.key) : null;
      if (moment === null) return;
      goTo(clip, moment);
      event.preventDefault();
    });
    followPlayer(element);
    // A clip is drawn anew for another file, and for another language in the very same element.
    let started = null;
    const start = () => {
      const clip = element.querySelector(".tt-clip"), now = clip && state(clip);
      if (now === started) return;
      started = now;
      if (now) seek(clip, now.now);
    };
    new MutationObserver(start).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-clip"] });
    start();
  };
})();
