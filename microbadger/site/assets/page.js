"use strict";
/* Makes pages interactive: copies, filters, and shows the state of the image, other versions and platforms. Pages load
   badges.js, rows.js and search.js before this script, where they need them. A page is complete without scripts. All
   data is put into the page as text, never as HTML. */

const find = (selector, scope = document) => scope.querySelector(selector);
const all = (selector, scope = document) => [...scope.querySelectorAll(selector)];

function element(name, attributes = {}, ...children) {
  const isDrawing = name === "svg" || name === "rect";
  const made = isDrawing
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/* Texts, worded like those that badges/text.py and site/templating.py write into the page. The rows of facts about an
   image are in rows.js. */

const ROUNDED = new Intl.NumberFormat("en", {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  useGrouping: false,
  roundingMode: "halfEven",
});
const AGES = new Intl.RelativeTimeFormat("en");
const UNITS = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const LONGEST_TEXT = 2000;

function sizeText(bytes) {
  if (bytes <= 0) return "unknown";
  if (bytes < 1024) return `${bytes} B`;
  let size = bytes;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    size /= 1024;
    if (Number(ROUNDED.format(size)) < 1024) return `${ROUNDED.format(size)} ${unit}`;
  }
  return `${ROUNDED.format(size / 1024)} TiB`;
}

const FIRST_CREATION = "2013-03-20";

function platformText(platform) {
  const name = [platform.OS, platform.Architecture, platform.Variant].filter(Boolean).join("/");
  return name ? [name, platform.OSVersion].filter(Boolean).join(" ") : "unknown";
}

const countText = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const exactText = (time) => time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");

/* Returns how far away a time is. A time that is known to be past is never shown as future, even if the reader's clock
   is slow. */
function ageText(time, isPast = false) {
  const difference = (new Date(time) - Date.now()) / 1000;
  const seconds = isPast ? Math.min(difference, 0) : difference;
  const unit = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  if (unit) return AGES.format(Math.trunc(seconds / unit[1]), unit[0]);
  return seconds > 0 ? "in less than a minute" : "just now";
}

function shortened(text) {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}… (shortened; the JSON has all of it)`;
}

/* Spells out characters that would hide or reorder text. */
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    "\n\r\t\u200c\u200d".includes(character) ? character : `\\u{${character.codePointAt(0).toString(16)}}`,
  );
}

const timeElement = (time) => element("time", { datetime: time, title: exactText(time) }, ageText(time, true));

const sightOf = (seen, isExact) => [timeElement(seen), ...(isExact ? [] : [" or earlier"])];

function link(url, text) {
  return url?.startsWith("https://") ? element("a", { href: url, rel: "noopener" }, text) : text;
}

async function read(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

/* Copying */

function copyBySelection(code) {
  getSelection().selectAllChildren(code);
  return document.execCommand("copy");
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    return copyBySelection(code); // browsers offer no clipboard without https
  }
}

async function copyFor(button) {
  const [word, status] = [find("span", button), find("#status")];
  const text = (await copy(find("code", button.parentElement))) ? "Copied" : "Press Ctrl+C";
  button.dataset.word ??= word.textContent;
  word.textContent = status.textContent = text;
  button.classList.add("done");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    word.textContent = button.dataset.word;
    status.textContent = "";
    button.classList.remove("done");
  }, 3000);
}

function copyable(text, what, word = "Copy") {
  const button = element(
    "button",
    { type: "button", class: "copy" },
    element("span", {}, word),
    element("span", { class: "spoken" }, ` ${what}`),
  );
  return element("div", { class: "copyable" }, element("pre", {}, element("code", {}, text)), button);
}

/* Layers, labels and relatives of a version */

function longText(text, kind) {
  if (text.length <= 300) return element(kind, {}, visible(text));
  const beginning = element("summary", {}, element(kind, {}, `${visible(text.slice(0, 200))}…`));
  return element("details", { class: "long" }, beginning, element(kind, {}, visible(shortened(text.slice(200)))));
}

function mainPlatform(version) {
  const layers = JSON.stringify(version.Layers);
  const index = version.Platforms.findIndex(
    (platform) =>
      JSON.stringify(platform.Layers ?? version.Layers) === layers &&
      platform.DownloadSize === version.DownloadSize &&
      platform.LayerCount === version.LayerCount,
  );
  return Math.max(index, 0);
}

/* Returns whether a platform has facts of its own. What such a platform lacks is not taken from the version. */
const isAPart = (version, platform) => version.Platforms.length > 1 && Boolean(platform.Layers || platform.Unread);

const notes = (sentences) => sentences.map((text) => element("p", { class: "note" }, visible(text)));

function platformView(version, index) {
  const platform = version.Platforms[index] ?? version;
  const name = platform.OS ? ` for ${platformText(platform)}` : "";
  const sum = `${sizeText(platform.DownloadSize)} in ${countText(platform.LayerCount, "layer")}${name}`;
  const isKnown = !platform.Unread || platform.LayerCount;
  const layers = (platform.Layers ?? (isAPart(version, platform) ? [] : version.Layers) ?? []).slice(0, 500);
  const isNews = platform.Unread && platform.Unread !== version.Unread;
  const cut = (platform.Cut ?? []).filter((text) => !version.Cut?.includes(text));
  const remarks = notes([...(isNews ? [platform.Unread] : []), ...cut]);
  const shared = Number(index) === mainPlatform(version) ? sharedLayers(version) : { count: 0 };
  const sums = [isKnown ? sum : "Not read.", sharedText(layers, shared)].filter(Boolean);
  return [...remarks, ...sums.map((text) => element("p", { class: "sum" }, text)), layerList(layers, shared.count)];
}

function platformChoice(version) {
  const options = version.Platforms.map((platform, index) => new Option(platformText(platform), index));
  const select = element("select", { name: "platform" }, ...options);
  select.value = mainPlatform(version);
  return element("form", { class: "choices", autocomplete: "off" }, element("label", {}, "Platform ", select));
}

function definitions(kind, rows) {
  const groups = rows.map(([term, ...values]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, ...values)),
  );
  return element("dl", { class: kind }, ...groups);
}

function imageLinks(images) {
  const pages = find("#versions").dataset.pages;
  const rows = images.map((image) => {
    const tags = image.Tags.slice(0, 5).flatMap(({ tag }) => [" ", element("span", { class: "tag" }, tag)]);
    return element("li", {}, element("a", { href: `${pages}${image.ImageName}/` }, image.ImageName), ...tags);
  });
  return element("ul", {}, ...rows);
}

function facts(version, url) {
  const rows = [["Digest", copyable(version.Digest, "the digest")]];
  if (version.Created >= FIRST_CREATION) rows.push(["Created", timeElement(version.Created)]);
  if (version.FirstSeen) {
    rows.push(["First seen here", ...sightOf(version.FirstSeen, version.FirstSeenIsExact ?? true)]);
  }
  if (version.VersionControl) {
    rows.push(["Commit", link(version.VersionControl.URL, visible(version.VersionControl.Commit))]);
  }
  if (version.License) rows.push(["License", link(version.License.URL, visible(version.License.Code))]);
  if (version.Parents?.length) rows.push(["Built on", imageLinks(version.Parents)]);
  if (version.Identical?.length) rows.push(["Identical", imageLinks(version.Identical)]);
  const pages = find("#versions").dataset.pages;
  const links = version.Tags.slice(0, 5).map(({ tag }) =>
    element("li", {}, element("a", { href: `${pages}${version.ImageName}:${tag}/` }, `Page of ${tag}`)),
  );
  rows.push(["More", element("ul", {}, ...links, element("li", {}, element("a", { href: url }, "This version as JSON")))]);
  return definitions("relatives", rows);
}

function labelTerm(key, isInherited) {
  const code = element("code", {}, visible(key.slice(0, 255)));
  const mark = element("span", { class: "tag" }, "from the base image");
  return isInherited ? element("span", {}, code, " ", mark) : code;
}

function labelsOf(version, platform) {
  const labels = platform.Labels ?? (isAPart(version, platform) ? {} : version.Labels);
  const shown = { ...labels, ...version.Annotations, ...platform.Annotations };
  const inherited = new Set((version.InheritedLabels ?? []).filter((key) => version.Labels?.[key] === shown[key]));
  const rows = Object.entries(shown).slice(0, 200);
  return rows.map(([key, text]) => [labelTerm(key, inherited.has(key)), longText(text, "bdi")]);
}

function artifactView(version, url) {
  const rows = labelsOf(version, {});
  const annotations = rows.length ? [element("h3", {}, "Annotations"), definitions("labels", rows)] : [];
  return [element("p", {}, visible(version.Unsupported)), facts(version, url), ...annotations];
}

function versionView(version, url) {
  if (version.Unsupported) return artifactView(version, url);
  const reason = version.Unread;
  const claims = hasClaims(version) ? [element("h3", {}, "Where it comes from"), ...claimsView(version)] : [];
  if (!version.Platforms.length) return [element("p", {}, visible(reason ?? "Not read.")), ...claims];
  const remarks = notes([...(reason ? [reason] : []), ...(version.Cut ?? [])]);
  const choice = platformChoice(version);
  const [layers, config, labels] = [element("div", { class: "shown" }), element("div"), element("div")];
  const draw = () => {
    const index = choice.elements.platform.value;
    layers.replaceChildren(...platformView(version, index));
    config.replaceChildren(element("h3", {}, "Configuration"), ...configView(version, index));
    const rows = labelsOf(version, version.Platforms[index]);
    labels.replaceChildren(...(rows.length ? [element("h3", {}, "Labels"), definitions("labels", rows)] : []));
  };
  choice.hidden = version.Platforms.length < 2;
  choice.addEventListener("change", draw);
  draw();
  return [...remarks, facts(version, url), choice, layers, config, ...claims, labels];
}

/* The state of an image, which is not part of the published page */

const POLL_MILLISECONDS = 3000;

const sentence = (text) => `${visible(text).replace(/\.$/, "")}.`;
const readStatus = (region) => read(region.dataset.status, { cache: "no-cache" }).catch(() => ({}));

function troubleIn(status) {
  const { State: state, FailingSince: since, NextCheckAt: due, Error: error } = status;
  if (state === "failing") {
    return ["Failing", ...(since ? [" since ", timeElement(since)] : []), error ? `: ${sentence(error)}` : "."];
  }
  if (state !== "overdue") return [];
  const overdue = due ? ["This image should have been checked ", timeElement(due), "."] : ["The next check is overdue."];
  return [...overdue, error ? ` ${sentence(error)}` : ""];
}

async function showStatus(region) {
  const status = await readStatus(region);
  if (status.CheckedAt) find("#checked")?.replaceChildren("checked ", timeElement(status.CheckedAt));
  const trouble = troubleIn(status);
  if (trouble.length) region.append(element("p", { class: "note" }, ...trouble));
  if (status.Note) region.append(element("p", { class: "note" }, sentence(status.Note)));
}

/* Returns a query that no cache has an answer for. */
const uncached = () => `?again=${Date.now()}`;
const HAS_NO_STATE = [404, 429];

/* Returns whether the first check of an image is still to come. It is not if the registry does not have the image, or if
   the image cannot be tracked now. */
async function isAwaited(region) {
  try {
    const answer = await fetch(`${region.dataset.status}${uncached()}`);
    if (HAS_NO_STATE.includes(answer.status)) return false;
    return !answer.ok || (await answer.json()).State === "pending";
  } catch {
    return true;
  }
}

/* Reloads the page after the first check of its image, to show the image or why it could not be read. */
function awaitFirstCheck(region) {
  setTimeout(async () => {
    if (await isAwaited(region)) awaitFirstCheck(region);
    else location.replace(`${uncached()}${location.hash}`);
  }, POLL_MILLISECONDS);
}

/* Removes the query of awaitFirstCheck from the address, because readers may share the address. */
function tidyAddress() {
  if (!find("[data-pending]") && /^\?again=\d+$/.test(location.search)) {
    history.replaceState(null, "", `${location.pathname}${location.hash}`);
  }
}

/* The parts of an image's page */

function setUpLayers(section) {
  const form = find("form", section);
  const draw = async (choice) => {
    try {
      const version = await read(section.dataset.version);
      const index = choice ?? mainPlatform(version);
      find(".shown", section).replaceChildren(...platformView(version, index));
      find("#configuration .shown")?.replaceChildren(...configView(version, index));
    } catch {
      find(".shown", section).replaceChildren(element("p", {}, "The layers could not be loaded. Try again later."));
    }
  };
  form?.addEventListener("change", () => draw(form.elements.platform.value));
  if (!find(".layers", section) && "unread" in section.dataset) draw();
}

function openVersion(row, url) {
  const columns = [...row.cells].reduce((count, cell) => count + cell.colSpan, 0);
  const cell = element("td", { colspan: columns }, element("p", {}, "Loading…"));
  row.after(element("tr", { class: "details" }, cell));
  read(url).then(
    (version) => cell.replaceChildren(...versionView(version, url)),
    () => cell.replaceChildren(element("p", {}, "This version could not be loaded. Try again later.")),
  );
}

function makeOpener(row) {
  const anchor = find("a.open", row);
  if (!anchor) return; // the digest of these tags is unknown
  const button = element("button", { type: "button", class: "open", "aria-expanded": "false" }, ...anchor.childNodes);
  anchor.replaceWith(button);
  button.addEventListener("click", () => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) row.nextElementSibling.remove();
    else openVersion(row, anchor.href);
  });
}

const VERSIONS_SHOWN = 10;
const SHORTEST_HASH = 4; // as git has it

/* Returns a test for a word that matches at the boundaries of parts: 1.3 matches 1.3.2 and v1.3-alpine, but not 11.3. */
function testOf(word) {
  const begin = /^\d/.test(word) ? "(?<!\\d\\.?)" : /^\p{L}/u.test(word) ? "(?<!\\p{L})" : "";
  const end = /\d$/.test(word) ? "(?!\\d)" : "";
  const pattern = new RegExp(begin + word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&") + end, "u");
  const isHash = word.length >= SHORTEST_HASH;
  return ({ text, hashes }) => pattern.test(text) || (isHash && hashes.some((hash) => hash.startsWith(word)));
}

function versionEntry(row) {
  const cells = [...all(".tag", row), ...all("td:nth-child(n + 4)", row)];
  const digest = find("a.open", row)?.href.match(/\w+(?=\.json$)/)?.[0] ?? "";
  const commit = find(".commit", row)?.title.toLowerCase() ?? "";
  return { row, hashes: [digest, `sha256:${digest}`, commit], text: cells.map((cell) => cell.textContent).join(" ").toLowerCase() };
}

function setUpVersions(section) {
  const entries = all("tbody > tr", section).map(versionEntry);
  const [form, output, table] = [find("form", section), find("output", section), find("table", section)];
  const more = element("button", { type: "button" }, `Show all ${entries.length}`);
  let shown = VERSIONS_SHOWN;
  const draw = () => {
    const words = form.elements.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const tests = words.map(testOf);
    entries.forEach(({ row, ...entry }, place) => {
      row.hidden = words.length ? !tests.every((fits) => fits(entry)) : place >= shown;
      if (row.nextElementSibling?.matches(".details")) row.nextElementSibling.hidden = row.hidden;
    });
    const count = entries.filter(({ row }) => !row.hidden).length;
    const found = count ? `${count} of ${countText(entries.length, "version")}` : "No versions match.";
    output.value = words.length ? found : "";
    table.hidden = !count;
    more.hidden = words.length > 0 || entries.length <= shown;
  };
  entries.forEach(({ row }) => makeOpener(row));
  table.parentElement.after(more);
  more.addEventListener("click", () => {
    shown = entries.length;
    draw();
    find(".open, summary", entries[VERSIONS_SHOWN].row)?.focus(); // the button that had the focus is gone
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", draw);
  draw();
}

/* Everything */

/* microbadger.com had addresses like /#/images/example/web, whose fragment no server receives. */
function followOldAddress(form) {
  const old = location.hash.match(/^#\/images\/([\w.:/-]+)$/);
  if (old) location.replace(`${form.dataset.pages}${old[1].replace(/\/$/, "")}/`);
}

function openPanel() {
  const panel = document.getElementById(location.hash.slice(1));
  if (panel?.matches("details")) panel.open = true;
}

function showAge(time) {
  const age = ageText(time.dateTime, !("ahead" in time.dataset));
  if ("dated" in time.dataset) time.after(" ", element("span", { class: "aside" }, age));
  else time.textContent = age;
}

function setUp() {
  all("time").forEach(showAge);
  for (const hidden of all(".copy, form")) hidden.hidden = false;
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copyFor(button);
  });
  const parts = [
    ["[data-pending]", awaitFirstCheck],
    ["[data-status]:not([data-pending])", showStatus],
    ["#badges", (panel) => setUpBadges(panel)],
    ["#layers", setUpLayers],
    ["#versions", setUpVersions],
    ["form[data-catalogue]", (form) => setUpSearch(form)],
    ["form[data-catalogue]", followOldAddress],
  ];
  for (const [selector, setUpPart] of parts) all(selector).forEach(setUpPart);
  tidyAddress();
  openPanel();
  addEventListener("hashchange", openPanel);
}

setUp();
