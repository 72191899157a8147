// In which language the page is read. Words come from the server, in the data of the page's head (web/language.py).
window.telltaleLanguage = (() => {
  "use strict";
  const offered = window.telltaleLanguages;
  const stored = () => { try { return localStorage.getItem("telltale-language"); } catch { return null; } };
  const code = () => {
    const wanted = [new URLSearchParams(location.search).get("lang"), stored(), ...navigator.languages.map((one) => one.split("-")[0])];
    return wanted.find((one) => one in offered) ?? "en";
  };
  const mark = (language) => {
    document.documentElement.lang = language;
    document.documentElement.dir = offered[language];
  };
  const root = document.documentElement;
  mark(code());
  // Nobody should see the page in English first, or wait for ever for another language.
  if (code() !== "en") {
    root.classList.add("tt-translating");
    setTimeout(() => root.classList.remove("tt-translating"), 4000);
  }
  return {
    code,
    // The parts of the page are there in the language: what a script writes follows.
    show() {
      const data = document.querySelector(".tt-words")?.dataset;
      if (data?.words) window.telltaleWords = JSON.parse(data.words);
      if (data?.title) document.title = data.title;
      mark(code());
      if (document.querySelector(".tt-verdict, .tt-files")) window.telltaleFiles.begin();
      root.classList.remove("tt-translating");
    },
    choices(element, trigger) {
      element.addEventListener("change", (event) => {
        const chosen = event.target.closest(".tt-language select")?.value;
        if (!(chosen in offered)) return;
        try { localStorage.setItem("telltale-language", chosen); } catch { /* private windows may have no storage */ }
        const address = new URL(location.href);
        address.searchParams.set("lang", chosen);
        history.replaceState(null, "", address);
        mark(chosen);
        trigger("select", { index: 0, value: chosen });
      });
    },
  };
})();
