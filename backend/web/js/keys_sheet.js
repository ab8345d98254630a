// The list of all keys: `?` opens it everywhere.

import { byId } from "./dom.js";

export function startKeysSheet() {
  const open = () => byId("keys").open || byId("keys").showModal();
  for (const button of document.querySelectorAll("[data-keys]")) button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    const types = /** @type {any} */ (event.target).matches("input[type=text], input[type=password], textarea");
    if (event.key === "?" && !types && !document.querySelector("dialog[open]")) open();
  });
}
