// The API key of a service that needs one: kept for this tab, with at most one dialog at a time.

import { byId } from "./dom.js";
import { t } from "./language.js";

const STORED = "mattemesh-key";
let current = stored();
let asking = null;

/** @returns {string} */
export const key = () => current;

/** Ask the person for a key. @returns {Promise<boolean>} whether there is a new key to try */
export function askForKey() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

function ask() {
  const dialog = byId("key-dialog");
  byId("key-hint").textContent = current ? t("key.wrong") : "";
  return new Promise((resolve) => {
    let given = false;
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      given = true;
      keep(byId("key").value.trim());
      dialog.close();
    };
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(given);
    dialog.showModal();
    byId("key").select();
  });
}

function keep(value) {
  current = value;
  try {
    sessionStorage.setItem(STORED, value);
  } catch {
    // no storage: the key lasts until the page is reloaded
  }
}

function stored() {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
