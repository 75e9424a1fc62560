// The reader's choice of a light or dark page, before anything is drawn.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {} // pages opened from disk may be kept from storage
document.documentElement.classList.add("scripted");
