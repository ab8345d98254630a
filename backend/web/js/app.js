// Entry point: reads the facts of the service, starts every part of the page, then restores earlier work.

import { onConnection } from "./connection.js";
import { startDemo } from "./demo.js";
import { byId } from "./dom.js";
import { showEarlier } from "./earlier.js";
import { startEngines } from "./engines.js";
import { startFilmstrip } from "./filmstrip.js";
import { startIntake } from "./intake.js";
import { askForKey, key } from "./key.js";
import { startKeysSheet } from "./keys_sheet.js";
import { startLanguageMenu } from "./language_menu.js";
import { startLaterSteps } from "./later_steps.js";
import { startMatteStep } from "./matte_step.js";
import { startQueue } from "./queue.js";
import { goToAddress, startSteps } from "./steps.js";
import { state } from "./store.js";

const response = await fetch("/static/page.json");
state.page = await response.json();

startSteps();
startMatteStep();
startLaterSteps();
startFilmstrip();
startQueue();
startIntake();
startDemo();
startKeysSheet();
startLanguageMenu();
byId("version").textContent = `Mattemesh ${state.page.version}`;
document.documentElement.dataset.ready = "true"; // the page reacts to input from here on
if (state.page.needs_key && !key()) await askForKey();
onConnection((isAway) => (byId("reconnecting").hidden = !isAway));
startEngines();
if (state.step === "photo" && location.hash) showEarlier().then(goToAddress);
else showEarlier();
