// Pages of measurements: tabs, questions that open, and tables with their CSV. Charts are drawn by plots.js.
(() => {
  "use strict";

  // Tables come as lines with tabs, long ones packed; they become tables when somebody opens or prints them. `texts`: the lines by .tt-numbers.
  const texts = new WeakMap();
  const unpack = async (numbers) => {
    const place = numbers.querySelector("[data-packed]");
    if (texts.has(numbers) || !place) return;
    const bytes = Uint8Array.from(atob(place.dataset.packed), (letter) => letter.charCodeAt(0));
    texts.set(numbers, await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text());
  };
  const linesOf = (numbers) => {
    const place = numbers.querySelector("[data-lines]");
    if (!texts.has(numbers) && place) texts.set(numbers, place.textContent);
    return (texts.get(numbers) ?? "").split("\n").map((line) => line.split("\t"));
  };
  const isNumber = (words) => words !== "" && !Number.isNaN(Number(words));
  const draw = (numbers) => {
    const place = numbers.querySelector("[data-lines], [data-packed]"), [columns, ...lines] = linesOf(numbers);
    if (!place || !texts.has(numbers)) return;
    const format = new Intl.NumberFormat(numbers.closest("[lang]")?.lang || "en", { maximumSignificantDigits: 4, numberingSystem: "latn" });
    const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
    table.className = "tt-table";
    for (const name of columns) {
      const cell = head.appendChild(document.createElement("th"));
      cell.scope = "col";
      cell.textContent = name;
    }
    for (const line of lines) {
      const row = body.insertRow();
      for (const words of line) {
        const cell = row.insertCell();
        cell.textContent = isNumber(words) ? format.format(Number(words)).replace(/^-/, "−") : words || "–";
        if (isNumber(words)) cell.className = "tt-number";
      }
    }
    if (lines.length > 60) place.parentElement.classList.add("tt-long");
    place.replaceWith(table);
  };
  // Toggling does not bubble.
  document.addEventListener("toggle", async (event) => {
    const numbers = event.target.open && event.target.parentElement?.closest(".tt-numbers");
    if (!numbers) return;
    await unpack(numbers);
    draw(numbers);
  }, true);
  const cell = (words) => {
    // What a spreadsheet would take for a formula stays words.
    const safe = /^[=+@-]/.test(words) && !isNumber(words) ? `'${words}` : words;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const download = async (button) => {
    const numbers = button.closest(".tt-numbers"), link = document.createElement("a");
    await unpack(numbers);
    const csv = linesOf(numbers).map((line) => line.map(cell).join(",")).join("\r\n");
    link.href = URL.createObjectURL(new Blob([`\ufeff${csv}\r\n`], { type: "text/csv" }));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const choose = (tab) => {
    for (const one of tab.parentElement.children) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
  };
  const setAll = (part, open) => {
    for (const one of part.querySelectorAll("details")) one.open = open;
    const button = part.querySelector(".tt-expand");
    if (button) button.textContent = open ? button.dataset.less : button.dataset.more;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".tt-tabs [role=tab], .tt-csv, .tt-expand");
    if (!button) return;
    if (button.matches(".tt-csv")) download(button);
    else if (button.matches(".tt-expand")) setAll(button.closest(".tt-limits-page"), button.textContent === button.dataset.more);
    else choose(button);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.(".tt-tabs [role=tab]");
    // Up and down scroll the page.
    const next = tab && !/Up|Down/.test(event.key) && window.telltale.stepTo(event, [...tab.parentElement.children]);
    if (!next) return;
    choose(next);
    next.focus();
  });

  // Paper shows all of the chosen tab; afterwards everything is closed that was closed.
  let closed = [];
  const shownPages = () => [...document.querySelectorAll(".tt-limits-page")].filter((one) => one.checkVisibility());
  addEventListener("beforeprint", () => {
    closed = shownPages().flatMap((page) => [...page.querySelectorAll("details:not([open])")]);
    for (const one of closed) one.open = true;
    for (const page of shownPages()) page.querySelectorAll(".tt-numbers").forEach(draw);
  });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

  // Called for whatever holds such a page, now or later.
  window.telltale.measured = (element) => {
    const prepare = () => {
      window.telltale.plots(element);
      for (const one of element.querySelectorAll(".tt-numbers")) unpack(one);
      const asked = location.hash.length > 1 && document.getElementById(location.hash.slice(1)), panel = asked && asked.closest("[role=tabpanel]");
      if (!asked || !element.contains(asked)) return;
      if (panel) choose(document.getElementById(panel.getAttribute("aria-labelledby")));
      if (asked.matches("details")) asked.open = true;
      asked.scrollIntoView({ block: "start" });
    };
    new MutationObserver(prepare).observe(element, { childList: true });
    prepare();
  };
})();
