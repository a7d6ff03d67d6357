// As much of a browser as the scripts ask for when they are read: no test here draws anything.

const kept = new Map();
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, String(value)),
  removeItem: (name) => kept.delete(name),
  clear: () => kept.clear(),
};
const standIns = {
  window: globalThis,
  localStorage: storage,
  sessionStorage: storage,
  document: Object.assign(new EventTarget(), { baseURI: "http://localhost/" }),
  matchMedia: () => ({ matches: false, addEventListener() {} }),
};
for (const [name, value] of Object.entries(standIns)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
