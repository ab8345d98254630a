// The steps whose code is loaded when they are first opened.

import { Problem } from "./api.js";
import { persist } from "./connection.js";
import { onChange, state } from "./store.js";

const steps = new Map([
  ["fix", () => import("./fix_step.js").then(({ startFixStep }) => startFixStep())],
  ["mesh", () => import("./mesh_step.js").then(({ startMeshStep }) => startMeshStep())],
  ["background", () => import("./background_step.js").then(({ startBackgroundStep }) => startBackgroundStep())],
]);

export function startLaterSteps() {
  onChange(() => open(state.step));
}

function open(step) {
  const start = steps.get(step);
  steps.delete(step);
  if (start) persist(() => start().catch(asProblem));
}

function asProblem(error) {
  if (!/module/i.test(error.message)) throw error; // all browsers' word for one that did not arrive
  throw new Problem({ code: "unreachable" });
}
