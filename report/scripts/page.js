// What every page has: the switch of its colours, figures that open larger, links that copy.
"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["system", "light", "dark"];
  const button = document.querySelector("#theme");
  const show = () => {
    button.querySelector("span").textContent = root.dataset.theme ?? "system";
  };
  button?.addEventListener("click", () => {
    const now = root.dataset.theme ?? "system";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {} // pages opened from disk may be kept from storage
    show();
  });
  if (button) show();

  const dialog = document.querySelector("#enlarged");
  for (const opener of document.querySelectorAll(".enlarge")) {
    opener.addEventListener("click", () => {
      // On a phone what is shown; else the wide drawing, whichever is shown.
      const image = opener.closest("figure").querySelector("picture img");
      const phone = matchMedia("(max-width: 40rem)").matches;
      const copy = new Image();
      copy.src = phone ? image.currentSrc : image.src;
      copy.alt = image.alt;
      copy.width = (!phone && image.getAttribute("width")) || image.naturalWidth;
      dialog.querySelector("div").replaceChildren(copy);
      dialog.showModal();
    });
  }
  dialog?.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  for (const copier of document.querySelectorAll("[data-copies]")) {
    copier.addEventListener("click", async () => {
      const source = document.getElementById(copier.dataset.copies);
      let said = "copied";
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
      } catch {
        source.closest("details")?.setAttribute("open", "");
        getSelection().selectAllChildren(source);
        said = "selected, press Ctrl+C";
      }
      copier.querySelector("[role=status]").textContent = ` ${said}`;
    });
  }

  // The part that is being read, in the table of contents.
  const links = new Map();
  for (const link of document.querySelectorAll(".toc-wide a[href^='#']")) {
    const part = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (part) links.set(part, link);
  }
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target).setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "0px 0px -70% 0px" },
  );
  for (const part of links.keys()) seen.observe(part);

  // A link into a fold opens it.
  const unfold = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    const fold = target && (target.matches("details") ? target : target.closest("details"));
    if (fold && !fold.open) {
      fold.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Only what scrolls is a stop of the keyboard.
  const stops = () => {
    for (const region of document.querySelectorAll(".scroll")) {
      if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();
})();
