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
  const permalinks = [...body.querySelectorAll(".permalink")];
  let sorting = null; // [key, 1 or -1]

  // The page writes minus signs; a reader may type a hyphen.
  const plain = (text) => text.toLowerCase().replaceAll("−", "-");
  const number = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

  const apply = () => {
    const words = plain(q.value).split(/\s+/).filter(Boolean);
    const chosen = new Set(verdicts.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    const claims = new Map();
    for (const row of rows) {
      const { verdict, own: isOwn, part: itsPart } = row.dataset;
      row.searched ??= plain(row.textContent);
      row.hidden = !(
        (chosen.size === 0 || chosen.has(verdict)) &&
        (!own.checked || isOwn === "yes") &&
        (part.value === "" || part.value === itsPart) &&
        words.every((word) => row.searched.includes(word))
      );
      if (row.hidden) continue;
      shown += 1;
      claims.set(row.dataset.claim, row.dataset.counts);
    }
    // Of several checks of a claim the strongest decides, as in the numbers of the summary.
    const counted = [...claims.values()].filter((verdict) => chosen.has(verdict)).length;
    said.textContent = `${shown} of ${rows.length} checks`;
    if (shown) said.textContent += `, of ${number(claims.size, "claim")}`;
    if (chosen.size && counted < claims.size)
      said.textContent += `; ${counted} count so by their strongest evidence`;
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

  const state = () => {
    const chosen = new URLSearchParams();
    for (const box of verdicts) if (box.checked) chosen.append("verdict", box.value);
    if (part.value) chosen.set("part", part.value);
    if (own.checked) chosen.set("own", "");
    if (q.value) chosen.set("q", q.value);
    if (sorting) chosen.set("sort", (sorting[1] === -1 ? "-" : "") + sorting[0]);
    return String(chosen);
  };

  // A link to a check keeps what is chosen: a row that is seen passes it.
  const link = () => {
    const chosen = state();
    for (const one of permalinks) {
      const id = encodeURIComponent(one.closest("tr").id);
      one.href = `#${id}${chosen && `&${chosen}`}`;
    }
  };

  const remember = () => {
    history.replaceState(null, "", `#${state()}`);
    link();
  };

  const choose = (chosen) => {
    for (const box of verdicts) box.checked = chosen.getAll("verdict").includes(box.value);
    part.value = chosen.get("part") ?? "";
    own.checked = chosen.has("own");
    q.value = chosen.get("q") ?? "";
    const key = chosen.get("sort");
    sorting = key ? [key.replace("-", ""), key.startsWith("-") ? -1 : 1] : null;
    sort();
    apply();
    link();
  };

  // The address: a place on the page, or a choice of checks, or a check and a choice.
  const restore = () => {
    const [first, ...others] = location.hash.slice(1).split("&");
    const target = first && document.getElementById(decodeURIComponent(first));
    const row = rows.includes(target) ? target : null;
    for (const one of rows) one.classList.toggle("linked", one === row);
    if (target && !row) return; // a place elsewhere leaves the choice as it is
    choose(new URLSearchParams((row ? others : [first, ...others]).join("&")));
    if (row?.hidden) choose(new URLSearchParams());
    if (row) row.scrollIntoView();
    // On a phone the choice alone would fill the screen.
    else if (first) (matchMedia("(max-width: 40rem)").matches ? said : form).scrollIntoView();
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
  choose(new URLSearchParams());
  restore();
})();
