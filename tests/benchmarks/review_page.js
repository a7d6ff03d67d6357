// What review_page.py does in the page: each deed answers with the milliseconds until what it waits for was drawn.

const $ = (selector) => document.querySelector(selector);
const range = () => $(".rev-range")?.textContent ?? "";
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

function since(start, holds) {
  const begun = performance.now();
  start();
  return new Promise((done) => {
    const look = () => (holds() ? requestAnimationFrame(() => done(performance.now() - begun)) : requestAnimationFrame(look));
    look();
  });
}

window.deeds = {
  open: () => since(() => document.querySelectorAll("[role=tab]")[1].click(), () => $(".rev tbody tr") || $(".rev-empty:not([hidden])")),
  next() {
    const before = range();
    return since(() => $("[data-do=following]").click(), () => range() !== before);
  },
  sort: (name) => since(() => $(`[data-sort=${name}]`).click(), () => $(`th[aria-sort] [data-sort=${name}]`)),
  filter(query) {
    const rows = () => $(".rev tbody").textContent;
    const before = rows();
    const field = $("#rev-query");
    field.focus();
    field.value = query;
    return since(() => press(field, "Enter"), () => rows() !== before);
  },
  edit(text) {
    press(document, "e");
    const field = $(".rev-field");
    field.value = text;
    $(".rev-said").textContent = "";
    return since(() => press(field, "Enter"), () => $(".rev-said").textContent.startsWith("Label saved"));
  },
  move() {
    const before = $(".rev tr[aria-current]");
    return since(() => press(document, "j"), () => $(".rev tr[aria-current]") !== before);
  },
};
