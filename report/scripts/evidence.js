// The table of all checks: chosen by verdict, part and author, searched, sorted; the choice is in
// the address. Without this script the table is whole.
"use strict";
(() => {
  const form = document.querySelector("#choose");
  const body = document.querySelector("#checks tbody");
  const rows = [...body.rows];
  const said = document.querySelector("#found");
  const verdicts = [...form.querySelectorAll("[name=verdict]")];
  const { part, own, q } = form.elements;
  const headers = [...document.querySelectorAll("#checks th[data-key]")];
  let sorting = null; // [key, 1 or -1]

  const apply = () => {
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = new Set(verdicts.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const row of rows) {
      const { verdict, own: isOwn, part: itsPart } = row.dataset;
      row.searched ??= row.textContent.toLowerCase();
      row.hidden = !(
        (chosen.size === 0 || chosen.has(verdict)) &&
        (!own.checked || isOwn === "yes") &&
        (part.value === "" || part.value === itsPart) &&
        words.every((word) => row.searched.includes(word))
      );
      if (!row.hidden) shown += 1;
    }
    said.textContent = `${shown} of ${rows.length} checks`;
    if (!shown) said.textContent += ". None fits all that is chosen: choose less, or show all.";
  };

  const sort = () => {
    const [key, way] = sorting ?? ["place", 1];
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    rows.sort(
      (a, b) =>
        way * compare(a.dataset[key], b.dataset[key]) ||
        compare(a.dataset.place, b.dataset.place),
    );
    body.append(...rows);
    for (const header of headers) {
      const here = sorting && header.dataset.key === sorting[0];
      if (here) header.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const box of verdicts) if (box.checked) state.append("verdict", box.value);
    if (part.value) state.set("part", part.value);
    if (own.checked) state.set("own", "");
    if (q.value) state.set("q", q.value);
    if (sorting) state.set("sort", (sorting[1] === -1 ? "-" : "") + sorting[0]);
    history.replaceState(null, "", `#${state}`);
  };

  const restore = () => {
    const hash = location.hash.slice(1);
    const target = hash && document.getElementById(decodeURIComponent(hash));
    const state = new URLSearchParams(target ? "" : hash);
    for (const box of verdicts) box.checked = state.getAll("verdict").includes(box.value);
    part.value = state.get("part") ?? "";
    own.checked = state.has("own");
    q.value = state.get("q") ?? "";
    const key = state.get("sort");
    sorting = key ? [key.replace("-", ""), key.startsWith("-") ? -1 : 1] : null;
    sort();
    apply();
    if (target) target.scrollIntoView();
  };

  form.addEventListener("input", () => {
    apply();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () =>
    setTimeout(() => {
      sorting = null;
      sort();
      apply();
      remember();
    }),
  );
  for (const header of headers) {
    header.querySelector("button").addEventListener("click", () => {
      const key = header.dataset.key;
      sorting = sorting?.[0] === key && sorting[1] === 1 ? [key, -1] : [key, 1];
      sort();
      remember();
    });
  }
  addEventListener("hashchange", restore);
  restore();
})();
