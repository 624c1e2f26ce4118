"use strict";
/* Draws the rows on the page of an image: its layers, its configuration, and the claims about its origin. The texts are
   those that site/layer_rows.py, site/step_texts.py, site/config_rows.py and site/claim_rows.py write. */

const VARIABLES_SHOWN = 200;
const SIGNALS = {
  SIGTERM: ["15", "asks it to stop"],
  SIGINT: ["2", "interrupts it, like Ctrl+C"],
  SIGQUIT: ["3", "asks it to quit"],
  SIGKILL: ["9", "stops it immediately"],
  SIGHUP: ["1", "reports that its terminal has closed"],
  "SIGRTMIN+3": ["37", "halts systemd"],
};
const DIFFERENT = { Source: "source repositories", Commit: "commits" };

/* A part is a text, the kind of its element, and the address that it links to. */
const part = (text, kind = "bdi", url = null) => ({ text, kind, url });
const aside = (text) => part(text, "aside");
const linked = (text) => part(text, "bdi", safeAddress(text));
const row = (name, ...parts) => ({ name, items: [parts] });
const given = (value, ...parts) => (value === undefined ? [] : parts);

function bounded(items, most, count = items.length) {
  const more = Math.max(count, items.length) - Math.min(items.length, most);
  return [...items.slice(0, most), ...(more ? [[aside(`and ${more} more`)]] : [])];
}

/* Returns an address that a page may link to, with https; null if the address is not safe. */
const AUTHORITY = /^(https?):\/\/(?:[\w.-]+(?::[^/?#@]*)?@)?((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)(:\d{1,5})?(?![^/?#])/i;
const REST = /^[\w!#$%&()*+,./:;=?@[\]~-]*$/;

function safeAddress(text) {
  const [authority = "", scheme, host, port = ""] = text.match(AUTHORITY) ?? [];
  const rest = text.slice(authority.length);
  const isSafe = scheme && (!port || scheme === "https") && REST.test(rest) && text.length <= 1000;
  return isSafe ? `https://${host.toLowerCase()}${port}${rest}` : null;
}

function drawnPart({ text, kind, url }) {
  if (kind === "time") return timeElement(text);
  if (kind === "day") return dayText(text);
  if (kind === "aside" || kind === "tag") return element("span", { class: kind }, visible(shortened(text)));
  if (!url) return longText(text, kind);
  return element("a", { href: url, rel: "noopener" }, element(kind, {}, visible(text.slice(0, 300))));
}

const drawnParts = (parts) => parts.flatMap((part, number) => [...(number ? [" "] : []), drawnPart(part)]);

function drawnRows(rows) {
  const contents = rows.map(({ name, items }) =>
    items.length === 1
      ? [name, ...drawnParts(items[0])]
      : [name, element("ul", {}, ...items.map((parts) => element("li", {}, ...drawnParts(parts))))],
  );
  return definitions("labels", contents);
}

/* How a container is run */

function durationText(nanoseconds) {
  let milliseconds = Math.floor(nanoseconds / 1e6);
  if (!milliseconds) return "less than 0.001 seconds";
  const words = [];
  for (const [unit, length] of [["day", 86400000], ["hour", 3600000], ["minute", 60000]]) {
    const count = Math.floor(milliseconds / length);
    milliseconds %= length;
    if (count) words.push(countText(count, unit));
  }
  if (milliseconds) words.push(countText(milliseconds / 1000, "second"));
  return words.join(" ");
}

function portText(port) {
  const match = port.match(/^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/);
  if (!match) return port;
  const [, first, last, protocol = "tcp"] = match;
  return `${first}${last ? ` to ${last}` : ""} (${protocol.toUpperCase()})`;
}

/* Quotes words as a shell needs them. */
function commandText(words) {
  const quoted = (word) => {
    if (word && !/[^\w@%+=:,./-]/.test(word)) return word;
    return `'${word.replaceAll("'", `'"'"'`)}'`;
  };
  return words.map(quoted).join(" ");
}

function userRow(config, system) {
  const user = config.User ?? "";
  const name = user.split(":")[0];
  if (system === "windows") return row("User", user ? part(user, "code") : part("not given"));
  if (name !== "root" && /[^0]/.test(name)) return row("User", part(user, "code"));
  const remark = user ? `given as ${user}` : "the image sets no user";
  return row("User", part("root", "code"), ...(user === "root" ? [] : [aside(remark)]));
}

function healthcheckRow(check) {
  const [kind, ...words] = check.Test;
  if (kind === "NONE") return row("Health check", part("disabled"));
  const commands = { CMD: commandText(words), "CMD-SHELL": words.join(" ") };
  const times = [
    ...given(check.Interval, `every ${durationText(check.Interval)}`),
    ...given(check.Timeout, `timeout ${durationText(check.Timeout)}`),
    ...given(check.Retries, check.Retries === 1 ? "1 retry" : `${check.Retries} retries`),
    ...given(check.StartPeriod, `after a start period of ${durationText(check.StartPeriod)}`),
    ...given(check.StartInterval, `every ${durationText(check.StartInterval)} while it starts`),
  ].join(", ");
  const command = part(Object.hasOwn(commands, kind) ? commands[kind] : commandText(check.Test), "code");
  return row("Health check", command, ...(times ? [aside(times)] : []));
}

function stopSignalRow(signal) {
  const entry = Object.entries(SIGNALS).find(([name, [number]]) => [number, name, name.slice(3)].includes(signal));
  const words = entry ? [...(entry[0] === signal ? [] : [entry[0]]), entry[1][1]] : [];
  return row("Stop signal", part(signal, "code"), ...(words.length ? [aside(words.join(", "))] : []));
}

function configRows(config, system) {
  const volumes = config.Volumes?.map((volume) => [part(volume, "code")]);
  return [
    userRow(config, system),
    ...given(config.Entrypoint, row("Entrypoint", part(commandText(config.Entrypoint ?? []), "code"))),
    ...given(config.Cmd, row("Command", part(commandText(config.Cmd ?? []), "code"))),
    ...given(config.WorkingDir, row("Working directory", part(config.WorkingDir, "code"))),
    ...given(config.ExposedPorts, row("Ports", part((config.ExposedPorts ?? []).map(portText).join(", ")))),
    ...(volumes ? [{ name: "Volumes", items: bounded(volumes, 50) }] : []),
    ...(config.Healthcheck ? [healthcheckRow(config.Healthcheck)] : []),
    ...(config.StopSignal ? [stopSignalRow(config.StopSignal)] : []),
  ];
}

function variablesView(entries) {
  const hasValues = entries.some((entry) => entry.includes("="));
  const rows = entries.slice(0, VARIABLES_SHOWN).map((entry) => {
    const [name] = entry.split("=", 1);
    const value = longText(entry.slice(name.length + 1), "code");
    const header = element("th", { scope: "row" }, longText(name, "code"));
    return element("tr", {}, header, ...(hasValues ? [element("td", {}, value)] : []));
  });
  const heads = ["Name", ...(hasValues ? ["Value"] : [])].map((text) => element("th", { scope: "col" }, text));
  const table = element(
    "table",
    { class: "variables" },
    element("caption", {}, "Environment"),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows),
  );
  const leftOut = entries.length - rows.length;
  const remarks = [
    ...(hasValues ? [] : ["Values can be secrets, so only the names of the variables of a private image are published."]),
    ...(leftOut ? [`${leftOut} more ${leftOut === 1 ? "variable is" : "variables are"} in the JSON.`] : []),
  ];
  return [table, ...remarks.map((text) => element("p", { class: "aside" }, text))];
}

/* The config of the main platform is also that of the version, where it is complete. */
function configView(version, index) {
  const platform = version.Platforms[index] ?? {};
  const isMain = version.Platforms.length < 2 || Number(index) === mainPlatform(version);
  const config = isMain ? (version.Config ?? platform.Config) : platform.Config;
  const name = version.Platforms.length > 1 ? [element("p", { class: "aside" }, `For ${platformText(platform)}.`)] : [];
  if (!config) return [...name, element("p", {}, "Unknown.")];
  const variables = config.Env?.length ? variablesView(config.Env) : [];
  return [...name, drawnRows(configRows(config, platform.OS)), ...variables];
}

/* Where it comes from */

const shortDigest = (digest) => digest.slice(digest.lastIndexOf(":") + 1).slice(0, 12);
const isRead = (version) => version.Platforms.length > 0 && !version.Unread && !version.Unsupported;

function dayText(date) {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(new Date(date));
}

/* Returns a reference without the host of Docker Hub, `library/` and the digest. */
function shortReference(text) {
  return text.trim().split("@")[0].replace(/^(?:(?:index\.|registry-1\.)?docker\.io\/)?(?:library\/)?/, "") || text;
}

function baseRow(base = {}) {
  const state = base.State;
  const since = base.MovedAt ? [aside("the tag moved"), part(base.MovedAt, "time")] : [aside("the tag has moved")];
  const earlier = base.MovedAt && base.MovedAtIsExact === false ? [aside("or earlier")] : [];
  const words = {
    current: [part(state, "tag"), aside("its tag names the same layers")],
    outdated: [part(state, "tag"), ...since, ...earlier],
    unknown: [aside("it is not known whether its tag has moved")],
  };
  const parts = [
    ...(base.Name ? [part(shortReference(base.Name))] : []),
    ...(base.Digest ? [part(shortDigest(base.Digest), "code")] : []),
    ...(words[state] ?? []),
  ];
  return row("Base image", ...(parts.length ? parts : [part("not given")]));
}

const absentRow = (name, version) =>
  row(name, part(isRead(version) && version.UnreadClaims === undefined ? "none" : "not known"));

function beside(name, claim, label) {
  if (!label?.text) return row(name, claim);
  return label.text === claim.text
    ? row(name, claim, aside("the labels agree"))
    : row(name, claim, aside("the labels say"), label);
}

function provenanceRows(version) {
  const found = version.Provenance;
  if (!found) return [absentRow("Provenance", version)];
  const source = version.Source && linked(version.Source);
  const commit = version.VersionControl && part(version.VersionControl.Commit, "code");
  const builder = [
    ...given(found.BuilderName, part(found.BuilderName)),
    ...given(found.Builder, part(found.Builder, "code")),
  ];
  const unread = given(found.Unread, aside(`it could not be read: ${found.Unread}`));
  const times = [
    ...given(found.StartedAt, [aside("started"), part(found.StartedAt, "time")]),
    ...given(found.FinishedAt, [aside("finished"), part(found.FinishedAt, "time")]),
  ];
  const inputs = (found.Inputs ?? []).map((input) => [
    part(input.URI, "code"),
    ...(input.Digest ? [part(shortDigest(input.Digest), "code")] : []),
  ]);
  return [
    row("Provenance", part(found.PredicateType, "code"), ...unread),
    ...(builder.length ? [row("Built by", ...builder)] : []),
    ...(found.Source ? [beside("Source", linked(found.Source), source)] : []),
    ...(found.Commit ? [beside("Commit", part(found.Commit, "code"), commit)] : []),
    ...given(found.Dockerfile, row("Dockerfile", part(found.Dockerfile, "code"))),
    ...(found.Invocation ? [row("Build", linked(found.Invocation))] : []),
    ...(times.length ? [{ name: "Built", items: times }] : []),
    ...(inputs.length ? [{ name: "Inputs", items: bounded(inputs, 10, found.InputCount) }] : []),
  ];
}

function licensesText(licenses) {
  const all = Object.entries(licenses).map(([name, count]) => `${name} (${count})`);
  const others = all.length - Math.min(all.length, 5);
  return all.slice(0, 5).join(", ") + (others ? ` and ${countText(others, "other")}` : "");
}

function sbomRow(version) {
  const found = version.SBOM;
  if (!found) return absentRow("SBOM", version);
  const parts = [
    part([found.Format, found.FormatVersion].filter(Boolean).join(" ")),
    ...given(found.PackageCount, aside(countText(found.PackageCount, "package"))),
    ...given(found.Unread, aside(`not counted: ${found.Unread}`)),
  ];
  const hasLicenses = Object.keys(found.Licenses ?? {}).length > 0;
  return { name: "SBOM", items: [parts, ...(hasLicenses ? [[part(licensesText(found.Licenses))]] : [])] };
}

function signaturesRow({ Signatures: signatures }) {
  if (!signatures?.length) return row("Signatures", part(signatures ? "none" : "not known"));
  const items = signatures.map(({ Kind: kind, CreatedAt: time }) => [
    part(kind),
    ...given(time, aside("made"), part(time, "time")),
  ]);
  return { name: "Signatures", items: bounded(items, 10) };
}

function claimRows(version) {
  return [
    baseRow(version.Base),
    ...provenanceRows(version),
    sbomRow(version),
    signaturesRow(version),
    ...given(version.EndOfLife, row("End of life", part(version.EndOfLife, "day"))),
  ];
}

function claimNotes(version) {
  const differs = (version.Provenance?.Differs ?? []).filter((field) => Object.hasOwn(DIFFERENT, field));
  const names = differs.map((field) => DIFFERENT[field]).join(" and ");
  const reason = version.UnreadClaims?.replace(/\.$/, "");
  return [
    ...(differs.length ? [`The labels and the provenance name different ${names}.`] : []),
    ...given(reason, `Some of this could not be read: ${reason}.`),
  ];
}

function hasClaims(version) {
  const { Provenance, SBOM, Signatures, UnreadClaims, EndOfLife } = version;
  return isRead(version) || Boolean(Provenance || SBOM || Signatures?.length || UnreadClaims || EndOfLife);
}

function claimsView(version) {
  const remark = "These are claims of the publisher of the image. This service does not check them.";
  const remarks = claimNotes(version).map((text) => element("p", { class: "note" }, visible(shortened(text))));
  return [element("p", { class: "aside" }, remark), ...remarks, drawnRows(claimRows(version))];
}

/* Layers and the steps of the Dockerfile */

const INSTRUCTIONS = new Set([
  ..."ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME".split(" "),
  "WORKDIR",
]);
const TOKEN =
  /(?<gap>[ \t\r\f\v]+)|(?<beginning>&&)|(?<end>;+(?![ \t]*(?:then|do)[ \t]))|\\.|'[^']*'|"(?:\\.|[^"\\])*"|`[^`]*`|[^\\'"`&; \t\r\f\v]+|./gsu;
const PORTS = /^EXPOSE (?:map)?\[?([^[\]]*)\]?$/;
const HEALTHCHECK =
  /^HEALTHCHECK &\{\[((?:"(?:[^"\\]|\\.)*" ?)+)\]((?: "[0-9.hms]{2,30}"){3,4}) '(?:\\x([0-9a-f]{2})|\\([abtnvfr])|([^\\]))'\}$/u;
const NANOSECONDS = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6 };

const instructionOf = (command) => (INSTRUCTIONS.has(command.split(" ", 1)[0]) ? command.split(" ", 1)[0] : "");

function stepLines(command, isBroken) {
  const lines = [""];
  for (const { 0: text, groups } of command.matchAll(TOKEN)) {
    if (isBroken && groups.beginning) lines.push("");
    lines[lines.length - 1] += groups.gap ? " " : text;
    if (!isBroken || !groups.end) continue;
    lines[lines.length - 1] = lines.at(-1).replace(/ *(;+)$/, "$1");
    lines.push("");
  }
  return lines.map((line) => line.replace(/^ +| +$/g, "")).filter(Boolean);
}

function healthcheckText([, words, times, hexadecimal, escaped, character]) {
  const check = { Test: [...words.matchAll(/"((?:[^"\\]|\\.)*)"/gu)].map(([, word]) => word.replace(/\\(.)/gu, "$1")) };
  const fields = ["Interval", "Timeout", "StartPeriod", "StartInterval"];
  for (const [place, time] of times.trim().split(" ").entries()) {
    const parts = [...time.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s)/g)];
    const nanoseconds = parts.reduce((sum, [, count, unit]) => sum + Math.round(count * NANOSECONDS[unit]), 0);
    if (nanoseconds) check[fields[place]] = nanoseconds;
  }
  const number = escaped ? 7 + "abtnvfr".indexOf(escaped) : character?.codePointAt(0);
  const retries = hexadecimal ? parseInt(hexadecimal, 16) : number;
  if (retries) check.Retries = retries;
  const [command, ...remarks] = healthcheckRow(check).items[0];
  return ["HEALTHCHECK", command.text, ...remarks.map(({ text }) => `(${text})`)].join(" ");
}

function stepText(command) {
  if (!command) return "unknown";
  const [ports, check] = [command.match(PORTS), command.match(HEALTHCHECK)];
  if (ports) return `EXPOSE ${ports[1].split(/\s+/).filter(Boolean).map((port) => portText(port.replace(/:\{\}$/, ""))).join(", ")}`;
  if (check) return healthcheckText(check);
  if (command.includes("\n")) return command.replaceAll("\t", "  ");
  return stepLines(command, ["", "RUN"].includes(instructionOf(command))).join("\n  ");
}

/* Returns the unusual properties of a layer, from its media type. */
function mediaWords(type) {
  const kinds = {
    foreign: type.includes("nondistributable") || type.includes(".foreign."),
    zstd: /[.+]zstd\b/.test(type),
    uncompressed: /\.tar(\+encrypted)?$/.test(type),
    encrypted: type.endsWith("+encrypted"),
  };
  return Object.keys(kinds).filter((word) => kinds[word]).join(", ");
}

function percentText(bytes, total) {
  const percent = Math.floor((100 * bytes) / total + 0.5);
  return percent ? `${percent}%` : "<1%";
}

/* Returns how many layers a version has from its base image or, if that is not known, from the nearest other image. */
function sharedLayers({ Base: base = {}, Parents: parents = [] }) {
  if (base.LayerCount && base.Name) return { count: base.LayerCount, name: shortReference(base.Name) };
  if (!parents.length) return { count: 0, name: "" };
  const nearest = parents.reduce((best, parent) => (parent.LayerCount > best.LayerCount ? parent : best));
  const tag = nearest.Tags.length ? `:${nearest.Tags[0].tag}` : "";
  return { count: nearest.LayerCount, name: nearest.ImageName + tag };
}

function sharedText(layers, { count, name }) {
  const sizes = layers.map((layer) => layer.DownloadSize).filter(Boolean).slice(0, count);
  if (!sizes.length) return "";
  const first = sizes.length === 1 ? "first layer" : `first ${sizes.length} layers`;
  const size = sizeText(sizes.reduce((sum, size) => sum + size));
  return `The ${first} (${size}) ${sizes.length === 1 ? "is" : "are"} from the base image ${visible(name)}.`;
}

function rowOfSteps(commands) {
  const names = [...new Set(commands.map(instructionOf))].filter(Boolean).join(", ");
  const summary = element("summary", {}, countText(commands.length, "step"), " without a layer", names && `: ${names}`);
  const items = commands.map((command) => element("li", {}, longText(stepText(command), "code")));
  return element("li", { class: "empty" }, element("details", {}, summary, element("ul", {}, ...items)));
}

function layerList(layers, sharedCount = 0) {
  const sizes = layers.map((layer) => layer.DownloadSize);
  const [largest, total] = [Math.max(...sizes, 0), sizes.reduce((sum, size) => sum + size, 0)];
  const rows = [];
  let [soFar, place, steps] = [0, 0, []];
  for (const { Command: command, DownloadSize: size, MediaType: type = "" } of layers) {
    if (!size) {
      steps.push(command);
      continue;
    }
    if (steps.length) rows.push(rowOfSteps(steps));
    [soFar, place, steps] = [soFar + size, place + 1, []];
    const kind = [...(place <= sharedCount ? ["base image"] : []), mediaWords(type)].filter(Boolean).join(", ");
    const drawing = element(
      "svg",
      { viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" },
      element("rect", { class: "track", width: "100", height: "1" }),
      element("rect", { width: ROUNDED.format(Math.max((100 * size) / largest, 0.5)), height: "1" }),
    );
    const row = element(
      "li",
      size === largest ? { class: "largest" } : {},
      element("span", { class: "size" }, sizeText(size), ...(kind ? [element("small", {}, kind)] : [])),
      element("span", { class: "bar" }, drawing, element("small", {}, `${sizeText(soFar)} so far`)),
      element("span", { class: "share" }, percentText(size, total)),
      longText(stepText(command), "code"),
    );
    rows.push(row);
  }
  if (steps.length) rows.push(rowOfSteps(steps));
  return element("ol", { class: "layers" }, ...rows);
}
