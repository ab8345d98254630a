"use strict";
// Each .listing: a table that is sorted by its headings and narrowed by a search box and a list of tags.
for (const listing of document.querySelectorAll(".listing")) {
  const body = listing.querySelector("tbody");
  const rows = [...body.rows];
  const search = listing.querySelector("input");
  const tag = listing.querySelector("select");
  const count = listing.querySelector(".count");
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();

  function narrow() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const tags = (row.dataset.tags ?? "").split("\n");
      const fits = words.every((word) => text.includes(word)) && (!tag?.value || tags.includes(tag.value));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length}`;
  }

  listing.querySelectorAll("thead th").forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      listing.querySelectorAll("thead th").forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = heading.classList.contains("number");
      rows.sort((first, second) => {
        const [a, b] = [key(first, column), key(second, column)];
        if (a === "" || b === "") return (a === "") - (b === ""); // what has no value stays below
        const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
  search.addEventListener("input", narrow);
  tag?.addEventListener("change", narrow);
  narrow();
}

// A button elsewhere on the page that narrows a listing to one tag.
for (const button of document.querySelectorAll("button[data-tag]")) {
  button.addEventListener("click", () => {
    const listing = document.getElementById(button.dataset.listing);
    const tag = listing.querySelector("select");
    listing.querySelector("input").value = "";
    tag.value = button.dataset.tag;
    tag.dispatchEvent(new Event("change"));
    listing.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  });
}
