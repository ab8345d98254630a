// Photos come in by drop, paste, file picker, camera or as an example; each is checked and its matte started.

import { callBlob, Problem } from "./api.js";
import { byId, element } from "./dom.js";
import { droppedFiles } from "./dropped.js";
import { checkFile } from "./file_check.js";
import { makeMatte } from "./jobs.js";
import { fileSize, t, translated } from "./language.js";
import { problemPlace, showProblem } from "./problems.js";
import { go, showAddress } from "./steps.js";
import { changed, newPhoto, state } from "./store.js";

export function startIntake() {
  for (const id of ["pick", "take"]) {
    byId(id).addEventListener("change", ({ target }) => {
      take([...target.files]);
      target.value = ""; // so that the same file can be chosen again
    });
  }
  addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData?.files.length) take([...clipboardData.files]);
  });
  startDropping();
  const { limits, examples } = state.page;
  byId("limits").textContent = t("photo.limit", { size: fileSize(limits.upload_bytes) });
  byId("examples").hidden = examples.length === 0;
  byId("examples")
    .querySelector("ul")
    .replaceChildren(...examples.map(exampleButton));
  byId("examples").style.setProperty("--tiles", String(examples.length));
}

/** Queue the valid photos, open the first of them, and show the problem of each invalid one.
 * @param {File[]} files */
export async function take(files) {
  const place = problemPlace("photo");
  showProblem(place, null);
  const taken = [];
  const refused = [];
  for (const file of files) {
    try {
      const shows = await checkFile(file, state.page.limits);
      taken.push(newPhoto(file.name || t("photo.nameless"), file, shows));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refused.push({ name: file.name, problem });
    }
  }
  const problem = refused.length > 0 ? together(refused, files.length) : null;
  showProblem(byId("notice"), taken.length > 0 ? problem : null, [{ label: t("intake.ok"), act: closeNotice }]);
  if (taken.length === 0) {
    if (state.step !== "photo") go("photo");
    showProblem(place, problem);
    place.scrollIntoView({ block: "nearest" });
    return;
  }
  state.photos.push(...taken);
  state.current = taken[0];
  changed();
  go("matte");
  showAddress();
  for (const photo of taken) makeMatte(photo); // the service queues them
}

const closeNotice = () => showProblem(byId("notice"), null);

/** Merge the problems of all refused files into one. */
function together(refused, count) {
  const [{ name, problem }] = refused;
  if (count === 1) return problem;
  if (refused.length === 1) return Object.assign(problem, { title: t("detail.refused", { name, title: problem.title }) });
  const detail = refused.map((each) => `${t("detail.refused", { name: each.name, title: each.problem.title })}.`).join(" ");
  return new Problem({ code: "several-refused", title: t("intake.refused", { count: refused.length }), detail });
}

function startDropping() {
  const drop = byId("drop");
  let depth = 0; // dragenter and dragleave fire for every element crossed
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) mark(1);
  });
  addEventListener("dragleave", () => mark(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(-depth);
    const files = event.dataTransfer ? await droppedFiles(event.dataTransfer) : [];
    if (files.length) take(files);
  });
  drop.addEventListener("click", (event) => {
    if (event.target === drop) byId("pick").click();
  });
}

function exampleButton({ name, href }, index) {
  const thumb = element("i", { className: "thumb" });
  thumb.style.setProperty("--tile", String(index)); // of one picture with all of them
  const words = element("span", { textContent: translated(`example.${name}`, name) });
  const button = element("button", { type: "button", className: "example" }, thumb, words);
  button.addEventListener("click", async () => {
    try {
      take([new File([await callBlob(href)], `${name}.jpg`, { type: "image/jpeg" })]);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showProblem(problemPlace("photo"), problem);
    }
  });
  return element("li", {}, button);
}
