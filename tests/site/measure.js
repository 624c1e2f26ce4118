async function measure({ url, widths, hasScript }) {
  /* Looks at a page as it is laid out in frames of some widths, and returns what does not fit: a list of sentences.

     A frame is to a page what a window is, in any browser, however narrow. With `hasScript` false no script runs in it. */

  const LONGEST_WHOLE_WORD = 20; // characters
  const SLACK = 1; // pixels by which a browser rounds
  const deadline = Date.now() + 20_000;

  async function until(happened, what) {
    while (!happened()) {
      if (Date.now() > deadline) throw new Error(`${what}: not in time`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const frame = document.createElement("iframe");
  frame.style.cssText = `border: 0; height: 900px; width: ${widths[0]}px`;
  if (!hasScript) frame.sandbox = "allow-same-origin";
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
  frame.src = url;
  document.body.replaceChildren(frame);
  await loaded;
  const page = frame.contentDocument;
  const all = (selector) => [...page.querySelectorAll(selector)];
  const findings = [];

  async function openEverything() {
    for (const details of all("details")) {
      details.removeAttribute("name");
      details.open = true;
    }
    if (!hasScript) return;
    const places = () => all(".versions thead th").map((head) => Math.round(head.getBoundingClientRect().left)).join();
    const before = places();
    all("button.open").slice(0, 2).forEach((button) => button.click());
    await until(() => !page.body.textContent.includes("Loading…"), "versions");
    if (places() !== before) findings.push(`columns move as a version opens: from ${before} to ${places()}`);
    await until(() => all("[data-status]:not([data-pending])").every(() => page.querySelector("#checked time, .note")), "status");
    for (const details of all("details")) details.open = true;
  }

  const name = (element) => {
    const classes = [...element.classList].map((each) => `.${each}`).join("");
    return `${element.localName}${classes} “${element.textContent.trim().replace(/\s+/g, " ").slice(0, 60)}”`;
  };
  const style = (element) => frame.contentWindow.getComputedStyle(element);

  function isShown(element) {
    const part = element.closest(".spoken, .skip, svg, thead");
    const isForTheEar = part && !(part.localName === "thead" && style(part).position === "static");
    return element.getClientRects().length > 0 && !isForTheEar;
  }

  function clipping(element) {
    let box = element;
    while (box && style(box).overflowX === "visible") box = box.parentElement;
    return box && box !== page.body && box !== page.documentElement ? box.getBoundingClientRect() : null;
  }

  function* overflows(element, width) {
    const isField = element.matches("input, select, option");
    const { scrollWidth, clientWidth } = element;
    if (!isField && clientWidth && scrollWidth > clientWidth + SLACK) {
      yield `${name(element)} is ${clientWidth} px wide, its content ${scrollWidth} px`;
    }
    const { left, right } = element.getBoundingClientRect();
    if (left < -SLACK || right > width + SLACK) yield `${name(element)} reaches from ${left} to ${right} px`;
  }

  /* The rectangles of part of a text, one a line. */
  function lines(text, start, end) {
    const range = page.createRange();
    range.setStart(text, start);
    range.setEnd(text, end);
    const rects = [...range.getClientRects()].filter((rect) => rect.width);
    return rects.filter((rect, index) => !index || Math.abs(rect.top - rects[index - 1].top) > rect.height / 2);
  }

  function* faultsOf(text) {
    const element = text.parentElement;
    const [box, found] = [clipping(element), lines(text, 0, text.length)];
    for (const { left, right, top, bottom } of found) {
      if (box && (left < box.left - SLACK || right > box.right + SLACK)) yield `${name(element)} is cut at a side`;
      if (box && (top < box.top - SLACK || bottom > box.bottom + SLACK)) yield `${name(element)} is cut above or below`;
    }
    if (found.length < 2 || element.closest("code")) return; // no line is too short for code
    for (const { index, 0: run } of text.data.matchAll(/\S+/g)) {
      if (run.length > LONGEST_WHOLE_WORD) continue; // it may have to be broken
      for (const { index: place, 0: word } of run.matchAll(/[^/\u2010-\u2014-]+/g)) {
        const start = index + place;
        if (lines(text, start, start + word.length).length > 1) yield `“${word}” is broken in ${name(element)}`;
      }
    }
  }

  function* badgesFarFromTheirHeadings() {
    const gaps = all(".badge-list li").map((row) => {
      const [heading, image] = [row.querySelector("h3"), row.querySelector("img")].map((each) => each.getBoundingClientRect());
      return Math.round(image.top - heading.bottom);
    });
    if (new Set(gaps).size > 1) yield `headings and badges are ${[...new Set(gaps)].join(" or ")} px apart`;
  }

  function* faults(width) {
    const { scrollWidth } = page.documentElement;
    if (scrollWidth > width) yield `the page is ${scrollWidth} px wide`;
    for (const element of all("body *").filter(isShown)) yield* overflows(element, width);
    const texts = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      if (texts.currentNode.data.trim() && isShown(texts.currentNode.parentElement)) yield* faultsOf(texts.currentNode);
    }
    yield* badgesFarFromTheirHeadings();
  }

  frame.style.width = "1024px";
  await openEverything();
  for (const width of widths) {
    frame.style.width = `${width}px`;
    findings.push(...[...faults(width)].map((fault) => `${width} px: ${fault}`));
  }
  return findings;
}
