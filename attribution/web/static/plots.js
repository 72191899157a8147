// Charts of the pages of measurements: plotly's figures from data attributes, in the page's colours. The library is fetched from our own host
// when the first chart comes into view; until then, and without it, the sentence above a chart and the table below it say the same.
(() => {
  "use strict";

  const NARROW = 640, PAPER = 660, shown = new Map();
  let library;
  const load = () => (library ??= window.Plotly ? Promise.resolve() : new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(document.querySelector("meta[name=telltale-plotly]").content, document.baseURI);
    script.onload = resolve;
    script.onerror = () => { library = undefined; reject(new Error("plotly could not be loaded")); };
    document.head.append(script);
  }));

  // A colour is named as `--tt-accent`, or with its opacity in per cent as `--tt-accent/20`.
  const coloured = (value, css) => {
    if (typeof value === "string" && value.startsWith("--tt-")) {
      const [name, share] = value.split("/");
      return css.getPropertyValue(name).trim() + (share ? Math.round(2.55 * share).toString(16).padStart(2, "0") : "");
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, css));
    return value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, css)])) : value;
  };
  const folded = (words, most) => {
    const lines = [""];
    for (const word of words.split(" ")) {
      if (lines.at(-1) && lines.at(-1).length + word.length >= most) lines.push(word);
      else lines.push(`${lines.pop()} ${word}`.trim());
    }
    return lines.join("<br>");
  };

  // The figure of a place for that width: what is alike in all of them, the names of its lines beside or above them, and its own parts.
  const figure = (place, width, paper) => {
    const css = getComputedStyle(place), own = JSON.parse(place.dataset.plot), narrow = width < NARROW;
    const axis = { gridcolor: "--tt-line", linecolor: "--tt-line", zeroline: false, fixedrange: true, automargin: true };
    const layout = {
      font: { family: css.fontFamily, size: 12.5, color: "--tt-muted" }, paper_bgcolor: "#0000", plot_bgcolor: "#0000", dragmode: false, hovermode: "closest",
      hoverlabel: { bgcolor: "--tt-ink", bordercolor: "--tt-ink", font: { color: "--tt-surface", size: 13 }, align: "left" },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", itemclick: false, itemdoubleclick: false, traceorder: "normal" },
      margin: { l: 4, r: 26, t: 10, b: 8 }, barmode: "stack", bargap: 0.3, width: own.rows ? width : Math.min(width, 620), height: 330, ...own.layout,
    };
    layout.xaxis = { ...axis, ...own.layout.xaxis };
    layout.yaxis = { ...axis, ...own.layout.yaxis };
    const told = (words) => (Array.isArray(words) ? words.map(told) : words && folded(words, Math.min(70, Math.floor(width / 8))));
    const data = own.data.map((one) => ({ hoverinfo: "text", ...one, hovertext: told(one.hovertext ?? own.told) }));
    // Hatching makes files of prints hundred times as large: there it is the paler ground with an edge.
    for (const { marker } of paper ? data : []) {
      if (marker?.pattern) Object.assign(marker, { color: marker.pattern.bgcolor, line: { color: marker.pattern.fgcolor, width: 1 }, pattern: {} });
    }
    if (own.rows) {
      const count = own.rows.length, heat = data[0].type === "heatmap", above = narrow && !heat, named = data.filter((one) => one.name);
      const most = above ? Math.floor(width / 6.2) : narrow ? 18 : width < 900 ? 50 : 60, size = paper ? 10 : 12.5;
      const names = own.rows.map((name) => folded(name, most)), lines = Math.max(...names.map((name) => name.split("<br>").length));
      const texts = names.map((name, row) => (own.groups?.includes(row) ? `<b>${name}</b>` : name)), height = Math.max((above ? 26 : 0.8 * size) + 1.2 * size * lines, (heat ? 2.4 : 2) * size);
      Object.assign(layout.yaxis, { range: [count - 0.5, -0.5], tickvals: texts.map((_, row) => row), showgrid: false, ticks: "",
        ticktext: above ? texts.map(() => "") : texts, tickfont: { color: "--tt-ink", size } });
      layout.height = count * height + (named.length ? (narrow ? 22 * named.length : 30) : 0) + (heat ? 120 : 52) + (layout.xaxis.title ? 20 : 0);
      // What is drawn stands in the lower part of its row then, and the name above it.
      if (above) {
        layout.annotations = texts.map((text, row) => ({ text, x: 0, xref: "paper", xanchor: "left", y: row + 0.08, yanchor: "bottom", align: "left",
          showarrow: false, font: { color: "--tt-ink" } }));
        for (const one of data) if (one.type === "bar") Object.assign(one, { width: 0.32, offset: 0.1 }); else one.y = one.y.map((row) => row + 0.26);
      }
      if (heat) {
        Object.assign(layout.xaxis, { side: "top", tickangle: -50, ticklabeloverflow: "allow", showgrid: false, tickfont: { color: "--tt-ink" } });
        // Names lean over their columns and over the edge.
        const lengths = own.layout.xaxis.ticktext.map((name) => name.length), top = 16 + Math.ceil(5.4 * Math.max(...lengths));
        layout.margin = { ...layout.margin, t: top, r: Math.max(26, 4.4 * lengths.at(-1)) };
        layout.height = count * height + top + 16;
        layout.shapes = (own.outlined ?? []).map(([x, y]) => (
          { type: "rect", x0: x - 0.47, x1: x + 0.47, y0: y - 0.45, y1: y + 0.45, line: { color: "--tt-ink", width: 2 } }));
      }
    }
    return { data: coloured(data, css), layout: coloured(layout, css) };
  };

  const draw = (place, paper) => {
    // A heat map has room for its numbers, and scrolls on a phone.
    const columns = JSON.parse(place.dataset.plot).data[0].z?.[0].length;
    if (columns) place.style.minWidth = paper ? 0 : `${130 + 40 * columns}px`;
    place.classList.toggle("tt-paper", Boolean(paper));
    const { data, layout } = figure(place, paper ? PAPER : place.clientWidth, paper);
    shown.set(place, place.clientWidth);
    place.style.minHeight = 0;
    window.Plotly.react(place, data, layout, { displayModeBar: false });
  };
  const drawAll = (paper) => {
    for (const place of [...shown.keys()]) if (place.isConnected) draw(place, paper); else shown.delete(place);
  };

  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.clientWidth > 0 && shown.get(target) !== target.clientWidth && !matchMedia("print").matches) draw(target);
  });
  const seen = new IntersectionObserver(async (entries) => {
    for (const { target } of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(target);
      try {
        await load();
        draw(target);
        resized.observe(target);
      } catch {
        target.hidden = true;
      }
    }
  }, { rootMargin: "300px" });

  // Light and dark change the colours of what is drawn already.
  const watch = () => {
    let dark = document.body.classList.contains("dark");
    new MutationObserver(() => {
      if (document.body.classList.contains("dark") === dark) return;
      dark = !dark;
      drawAll();
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  if (document.body) watch(); else document.addEventListener("DOMContentLoaded", watch);

  // On paper every chart is drawn, as wide as the paper.
  addEventListener("beforeprint", () => {
    if (!window.Plotly) return;
    for (const place of document.querySelectorAll(".tt-drawn")) if (place.checkVisibility()) shown.set(place, 0);
    drawAll(true);
  });
  addEventListener("afterprint", () => drawAll());

  window.telltale.plots = (element) => {
    for (const place of element.querySelectorAll(".tt-drawn")) if (!shown.has(place)) seen.observe(place);
  };
})();
