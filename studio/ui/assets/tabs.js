// The page's tabs. Gradio shows one only by an event of its own, with a round trip; pressing its button takes none.

/** The button of the tab called `title`; undefined before the page has it. */
export const tabOf = (title) =>
  /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#st-tabs [role=tab]")]).find(({ textContent }) =>
    textContent.trim().endsWith(title)
  );

/** Bring the tab called `title` to the front. */
export const showTab = (title) => tabOf(title)?.click();
