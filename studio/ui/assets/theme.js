// Runs before the page is drawn: light, dark, or as the system says. Gradio sets the class `dark` on the body by
// itself; the person's choice outlasts that.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const choice = () => localStorage.getItem("studio.theme") || "system";
  const apply = () => {
    const dark = choice() === "dark" || (choice() === "system" && system.matches);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
    document.documentElement.dataset.theme = choice();
    document.body?.classList.toggle("dark", dark);
  };
  window.studioTheme = {
    choice,
    choose(name) {
      localStorage.setItem("studio.theme", name);
      apply();
      document.dispatchEvent(new CustomEvent("studio:theme"));
    },
  };
  system.addEventListener("change", apply);
  new MutationObserver(apply).observe(document.documentElement, { subtree: true, attributeFilter: ["class"] });
  document.addEventListener("DOMContentLoaded", apply);
  apply();
})();
