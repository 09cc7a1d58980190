// What everybody needs to read and use a page: WCAG 2.2 AA where a program can tell. Answers sentences, none when all is well.
(() => {
  const found = [];
  const place = (element) => {
    const id = element.id ? "#" + element.id : "";
    const classes = [...element.classList].map((name) => "." + name).join("");
    return element.tagName.toLowerCase() + id + classes;
  };
  const visible = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  // 1.4.3: text stands out from what is behind it.
  const colour = (text) => {
    const canvas = (colour.canvas ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], alpha: a / 255 };
  };
  const over = (top, below) => top.rgb.map((part, at) => part * top.alpha + below[at] * (1 - top.alpha));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const layer = colour(getComputedStyle(at).backgroundColor);
      if (layer.alpha > 0) layers.push(layer);
      if (layer.alpha === 1) break;
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    let below = dark && !layers.some((layer) => layer.alpha === 1) ? [18, 18, 18] : [255, 255, 255];
    for (const layer of layers.reverse()) below = over(layer, below);
    return below;
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !visible(element) || element.closest("script, style, option")) continue;
    const box = document.createRange();
    box.selectNode(node);
    if (box.getBoundingClientRect().width <= 1) continue;
    const style = getComputedStyle(element);
    // Only read aloud.
    if (style.clipPath === "inset(50%)") continue;
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const below = behind(element);
    const [one, two] = [light(over(colour(style.color), below)), light(below)];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(2)} of "${node.textContent.trim().slice(0, 30)}" in ${place(element)}`);
  }

  // 4.1.2, 1.1.1: whatever can be used has a name.
  const named = (element) =>
    (element.getAttribute("aria-label") || "").trim() ||
    (element.getAttribute("aria-labelledby") || "").split(" ").some((id) => document.getElementById(id)?.textContent.trim()) ||
    [...(element.labels || [])].some((label) => label.textContent.trim());
  for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea, progress, meter"))
    if (!named(element)) found.push(`no label on ${place(element)}`);
  for (const element of document.querySelectorAll("a[href], button, summary"))
    if (!named(element) && !element.textContent.trim()) found.push(`no name on ${place(element)}`);
  for (const element of document.querySelectorAll("img:not([alt]), svg:not([aria-hidden]):not([role=img])"))
    found.push(`no text for ${place(element)}`);

  // 3.1.1, 2.4.2, 1.3.1: language, title, one heading of the first level and none left out, headed tables, unique ids.
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) found.push("not one h1");
  levels.forEach((level, at) => at > 0 && level > levels[at - 1] + 1 && found.push(`h${level} after h${levels[at - 1]}`));
  for (const table of document.querySelectorAll("table")) if (!table.querySelector("th")) found.push(`no headings in ${place(table)}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => found.push(`two of #${id}`));
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls]"))
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls"])
      for (const id of (element.getAttribute(name) || "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) found.push(`${name} of ${place(element)} leads nowhere`);

  // 2.4.7: who uses the keyboard sees where they are.
  const first = document.querySelector("main a[href], main button");
  if (first) {
    first.focus({ focusVisible: true });
    const style = getComputedStyle(first);
    if (style.outlineStyle === "none" && style.boxShadow === "none") found.push(`focus is not seen on ${place(first)}`);
    first.blur();
  }
  return [...new Set(found)];
})()
