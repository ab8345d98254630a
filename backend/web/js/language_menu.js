// The menu of languages. The service sends the page in the chosen one, so the choice is a cookie that it can read.

import { byId, element } from "./dom.js";
import { LANGUAGE } from "./language.js";
import { state } from "./store.js";

const A_YEAR_S = 365 * 24 * 3600;

export function startLanguageMenu() {
  const menu = byId("language");
  menu.append(
    ...Object.entries(state.page.languages).map(([code, name]) =>
      element("option", { value: code, lang: code, textContent: name, selected: code === LANGUAGE }),
    ),
  );
  menu.addEventListener("change", () => {
    document.cookie = `language=${menu.value}; path=/; max-age=${A_YEAR_S}; samesite=lax`;
    location.reload(); // the photos and their jobs come back, as after every reload
  });
}
