"use strict";
/* The badge builder on the page of an image: markup and a preview for the chosen tag, format and look. */

const PARAMETERS = ["style", "label", "color", "platform"];
const TYPING_MILLISECONDS = 300;

/* Also encodes parentheses and other characters that have a meaning in the formats of the markup. */
const encoded = (text) =>
  encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd")).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/* Returns the query of a badge. A static site has no such fields, because it cannot draw badges on request. */
function queryOf(fields) {
  const values = PARAMETERS.map((name) => [name, fields[name]?.value.trim()]).filter(([, value]) => value);
  return values.map(([name, value], index) => `${index ? "&" : "?"}${name}=${encoded(value)}`).join("");
}

function setUpBadges(panel) {
  const form = find("form", panel);
  const { formats, preview, classic } = JSON.parse(panel.dataset.markup);
  const { tag: tagChoice, format: formatChoice, label, platform } = form.elements;
  const shownTag = tagChoice.value;
  const together = copyable("", " badges", "Copy all four");
  let drawing;
  const drawSight = () => {
    const { firstSeen, orEarlier } = tagChoice.selectedOptions[0].dataset;
    const sight = firstSeen ? sightOf(firstSeen, orEarlier === undefined) : ["unknown"];
    find("#first-seen", panel)?.replaceChildren("First seen here: ", ...sight);
  };
  /* Offers only platforms that the chosen tag has. */
  const offerPlatforms = () => {
    const [chosen, current] = [tagChoice.selectedOptions[0], tagChoice.options[0]];
    const names = (chosen.dataset.platforms ?? current.dataset.platforms).split(" ").filter(Boolean);
    const kept = names.includes(platform.value) ? platform.value : "";
    platform.replaceChildren(platform.options[0], ...names.map((name) => new Option(name)));
    platform.value = kept;
    platform.parentElement.hidden = !names.length;
  };
  const drawTogether = () => {
    const texts = classic.map((type) => find(`[data-type="${type}"] code`, panel).textContent);
    find("code", together).textContent = texts.join("\n");
  };
  const draw = (wait) => {
    const tag = tagChoice.value;
    const format = formats[formatChoice.value];
    const subject = tag ? "tag" : "image";
    const spelt = (text) => [...text].map((character) => format.escapes[character] ?? character).join("");
    const query = queryOf(form.elements);
    const written = query.split("&").join(spelt("&"));
    const isAsShown = tag === shownTag && !label?.value.trim() && !platform?.value;
    const words = [tag || "the current version", ...(platform?.value ? [`for ${platform.value}`] : [])].join(" ");
    const addresses = new Map();
    for (const row of all("[data-type]", panel)) {
      const [type, image] = [row.dataset.type, find("img", row)];
      const fill = (template, holes) => template.replace(/\{(\w+)\}/g, (_, hole) => ({ type, tag, ...holes })[hole]);
      find("code", row).textContent = fill(format[subject], { spoken: spelt(tag), query: written });
      image.dataset.says ??= image.alt;
      image.alt = isAsShown ? image.dataset.says : `${type} of ${words}`;
      addresses.set(image, fill(preview[subject], { query }));
    }
    drawTogether();
    clearTimeout(drawing);
    drawing = setTimeout(() => addresses.forEach((address, image) => (image.src = address)), wait);
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  tagChoice.addEventListener("input", drawSight);
  if (platform) tagChoice.addEventListener("input", offerPlatforms);
  form.addEventListener("input", (event) => draw(event.target.matches("input") ? TYPING_MILLISECONDS : 0));
  drawTogether();
  const title = element("p", { class: "small" }, "The four classic badges");
  find(".badge-list", panel).before(title, together);
}
