// Sets the remembered theme before the first paint. A classic script in the head for that reason.
// "auto" follows prefers-color-scheme; storage may be refused, then the choice lasts for the visit.
(() => {
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  try {
    const kept = localStorage.getItem("plimsoll.theme");
    if (themes.includes(kept)) theme = kept;
  } catch {
    /* storage refused */
  }

  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
    document.dispatchEvent(new Event("themechange"));
  };
  apply();

  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      try {
        localStorage.setItem("plimsoll.theme", theme);
      } catch {
        /* storage refused */
      }
      apply();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  });
})();
