// Makes pages live: when the server tells of a change, the page is read again and the parts that differ are put in place.
// Without it everything works as well; one reloads by hand.
(() => {
  "use strict";
  const link = document.getElementById("link");
  const refresh = Number(document.body.dataset.refresh || 0) * 1000;
  let reading = false;
  let again = false;

  const say = (text, state) => {
    if (!link) return;
    link.textContent = text;
    link.className = state;
  };

  // What a person opened or is typing into stays as it is.
  const keepOpen = (from, to) => {
    for (const details of from.querySelectorAll("details[id]")) {
      const other = to.querySelector("#" + CSS.escape(details.id));
      if (other) other.open = details.open;
    }
  };

  const put = (fresh) => {
    for (const part of fresh.querySelectorAll("[data-live]")) {
      const old = document.getElementById(part.id);
      if (!old || old.contains(document.activeElement) && old.querySelector("input, textarea, select")?.closest("form")?.contains(document.activeElement)) continue;
      keepOpen(old, part);
      if (old.outerHTML !== part.outerHTML) {
        const focus = document.activeElement;
        const id = focus && old.contains(focus) ? focus.id : "";
        old.replaceWith(document.importNode(part, true));
        if (id) document.getElementById(id)?.focus();
      }
    }
  };

  const read = async () => {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    try {
      const answer = await fetch(location.href, { headers: { "x-live": "1" }, credentials: "same-origin" });
      if (answer.ok) put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The stream says when the server is there again.
    }
    reading = false;
    if (again) {
      again = false;
      setTimeout(read, 250);
    }
  };

  const source = new EventSource("/live");
  let waits = 0;
  source.onopen = () => say("live", "live");
  source.onerror = () => say("not connected", "lost");
  source.addEventListener("change", () => {
    clearTimeout(waits);
    waits = setTimeout(read, 150);
  });
  if (refresh > 0) setInterval(() => document.hidden || read(), refresh);
  addEventListener("pagehide", () => source.close());

  // The filter works as one types, on what is shown already.
  const filter = document.querySelector("input[data-filter]");
  if (filter) {
    const apply = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const item of document.querySelectorAll("[data-words]")) {
        const text = item.dataset.words;
        item.classList.toggle("hidden", !words.every((word) => text.includes(word)));
      }
    };
    filter.addEventListener("input", apply);
    new MutationObserver(apply).observe(document.getElementById("main"), { childList: true, subtree: true });
    addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        filter.focus();
      }
    });
  }
})();
