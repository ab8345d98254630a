// The mesh in the person's own room: Quick Look on iPhones and iPads, Scene Viewer on Android; offered only where it can work.

import { callBlob, formOf } from "./api.js";
import { byId, element, fill, icon } from "./dom.js";
import { blobUrl, fileOf } from "./files.js";
import { t } from "./language.js";
import { working } from "./matte_step.js";
import { isDone, state } from "./store.js";

/**
 * How this device can show a mesh in the room.
 * @param {{quickLook: boolean, agent: string, protocol: string, needsKey: boolean}} facts
 * @returns {"quick-look" | "scene-viewer" | null}
 */
export function arWay({ quickLook, agent, protocol, needsKey }) {
  if (quickLook) return "quick-look";
  const isAndroid = /android/i.test(agent) && !/firefox|oculus/i.test(agent);
  return isAndroid && protocol === "https:" && !needsKey ? "scene-viewer" : null; // the app fetches the file, without our key
}

/** The address that opens a GLB in Scene Viewer. @param {string} file @param {string} back where else to go, both absolute */
export const sceneViewer = (file, back) =>
  `intent://arvr.google.com/scene-viewer/1.0?file=${encodeURIComponent(file)}&mode=ar_preferred` +
  "#Intent;scheme=https;package=com.google.android.googlequicksearchbox;action=android.intent.action.VIEW;" +
  `S.browser_fallback_url=${encodeURIComponent(back)};end;`;

/** Offer the mesh of `photo` in the room. @param {import("./store.js").Photo} photo */
export function offerAr(photo) {
  const place = byId("mesh-ar");
  const way = isDone(photo.mesh) ? wayHere() : null;
  place.hidden = !way;
  const key = way ? photo.mesh.id : "";
  fill(place, key, () => (way ? [way === "quick-look" ? quickLookButton(photo) : sceneViewerLink(photo)] : []));
}

const wayHere = () =>
  arWay({
    quickLook: Boolean(document.createElement("a").relList.supports?.("ar")),
    agent: navigator.userAgent,
    protocol: location.protocol,
    needsKey: state.page.needs_key,
  });

function sceneViewerLink(photo) {
  const { href } = photo.mesh.files.find(({ name }) => name === "model.glb");
  const address = sceneViewer(new URL(href, location.href).href, location.href);
  return element("a", { className: "button", href: address }, icon("mesh"), t("mesh.ar"));
}

/** A button that has the file made, and then is a link to it. */
function quickLookButton(photo) {
  const button = element("button", { type: "button", className: "button" }, icon("mesh"), t("mesh.ar"));
  return working(button, async () => {
    const body = formOf({ file: await fileOf(photo.mesh, "model.glb"), preset: "ar" });
    const href = blobUrl(await callBlob("/convert-mesh", { method: "POST", body }));
    // Safari takes it for AR only where a picture is the link's one element.
    const picture = element("img", { src: "/static/icon.svg", alt: "", width: 20, height: 20 });
    const link = element("a", { className: "button", rel: "ar", href }, picture, t("mesh.ar"));
    button.replaceWith(link);
    link.click();
  });
}
