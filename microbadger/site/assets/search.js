"use strict";
/* The search over all tracked images, in the list that the site publishes as JSON. */

function imageRow({ pages, states, isStatic }, image) {
  const name = image.ImageName.split("/").flatMap((part, place) => (place ? ["/", element("wbr"), part] : [part]));
  const hasPage = image.UpdatedAt || !isStatic;
  const marks = [image.Kind, states[image.Reason] ?? states[image.State]].filter(Boolean);
  return element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      ...(hasPage ? [element("a", { href: `${pages}${image.ImageName}/` }, ...name)] : name),
    ),
    element("td", {}, element("bdi", {}, visible((image.Description ?? "").slice(0, 200)))),
    element("td", {}, image.LatestVersion ?? (image.UpdatedAt ? "unknown" : "")),
    element("td", { class: "number" }, image.DownloadSize ? sizeText(image.DownloadSize) : ""),
    element(
      "td",
      {},
      image.UpdatedAt ? timeElement(image.UpdatedAt) : "",
      ...marks.flatMap((mark) => [" ", element("span", { class: "tag" }, mark)]),
    ),
  );
}

/* Returns the rank of a match: the whole name, the beginning of its last part, elsewhere in the name, the description. */
function rank(entry, query) {
  const last = entry.name.slice(entry.name.lastIndexOf("/") + 1);
  if (entry.name === query || last === query) return 0;
  if (last.startsWith(query)) return 1;
  return entry.name.includes(query) ? 2 : 3;
}

function searchFor(query, entries) {
  const words = query.split(/\s+/);
  const ranked = [[], [], [], []];
  for (const entry of entries) {
    if (words.every((word) => entry.text.includes(word))) ranked[rank(entry, query)].push(entry.image);
  }
  return ranked.flat();
}

function indexed(image) {
  const name = image.ImageName;
  return { image, name, text: `${name} ${image.Description ?? ""}`.toLowerCase() };
}

function setUpSearch(form) {
  const [input, output, table] = [form.elements.find, find("output", form), find("table.images")];
  const [note, rows, wasHidden] = [output.value, [...table.tBodies[0].rows], table.hidden];
  const { catalogue, pages, states, static: isStatic } = form.dataset;
  const list = { pages, states: JSON.parse(states), isStatic: isStatic !== undefined };
  let index;
  const load = () => (index ??= read(catalogue).then((list) => list.Images.map(indexed)));
  const show = (newRows, text, hidden) => {
    table.tBodies[0].replaceChildren(...newRows);
    output.value = text;
    table.hidden = hidden;
  };
  const draw = async () => {
    const entries = await load();
    const query = input.value.trim().toLowerCase();
    if (!query) return show(rows, note, wasHidden);
    const found = searchFor(query, entries);
    const text = found.length ? `${countText(found.length, "image")} found` : "No images match.";
    const more = found.length > 50 ? ", the first 50 are shown" : "";
    return show(found.slice(0, 50).map((image) => imageRow(list, image)), text + more, !found.length);
  };
  const drawOrSay = () =>
    draw().catch(() => {
      index = undefined;
      output.value = "The list could not be loaded. Try again later.";
    });
  input.addEventListener("focus", () => load().catch(() => (index = undefined)), { once: true });
  input.addEventListener("input", drawOrSay);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await drawOrSay();
    if (input.value.trim()) find("a", table.tBodies[0])?.click();
  });
  if (input.value) drawOrSay();
}
