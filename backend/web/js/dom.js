// Finds and makes elements, and announces words to screen readers.

/** @param {string} id @returns {any} the element of index.html */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element. Keys of `props` are properties, or attributes where they have a dash; text children are text.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function element(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** @param {string} name a symbol of icons.svg @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** Announce to screen readers; repeated words are announced once. @param {string} words */
export function say(words) {
  const announcer = byId("announcer");
  if (announcer.textContent !== words) announcer.textContent = words;
}

/** The checked value of a group of radio buttons. @param {string} name @returns {string} */
export const chosen = (name) => /** @type {any} */ (document.querySelector(`input[name="${name}"]:checked`)).value;

/** Check the radio button of a group that has `value`. @param {string} name @param {string} value */
export function choose(name, value) {
  const input = /** @type {any} */ (document.querySelector(`input[name="${name}"][value="${value}"]`));
  if (input) input.checked = true;
}

/** Replace the content of `place` only if `key` changed, so that nothing flickers and focus stays.
 * @param {any} place @param {string} key @param {() => (Node | string)[]} make */
export function fill(place, key, make) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...make());
}

/**
 * Show a picture in an <img> at its aspect ratio once it is decoded, so that the layout does not jump.
 * @param {any} image of the class `fitted`
 * @param {string} url
 * @returns {Promise<void>}
 */
export async function showPicture(image, url) {
  if (image.src === url) return;
  const next = new Image();
  next.src = url;
  await next.decode();
  image.style.setProperty("--ratio", String(next.naturalWidth / next.naturalHeight));
  image.src = url;
}
