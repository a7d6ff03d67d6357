// Takes that are not saved on disk yet lie in the browser's own database: a reload, a crash or a dead server loses
// none.

const opened = () =>
  new Promise((done, failed) => {
    const asking = indexedDB.open("studio", 1);
    asking.onupgradeneeded = () => asking.result.createObjectStore("takes", { keyPath: "id" });
    asking.onsuccess = () => done(asking.result);
    asking.onerror = () => failed(asking.error);
  });

async function inStore(mode, ask) {
  const base = await opened();
  try {
    return await new Promise((done, failed) => {
      const transaction = base.transaction("takes", mode);
      const answer = ask(transaction.objectStore("takes"));
      transaction.oncomplete = () => done(answer.result);
      transaction.onerror = transaction.onabort = () => failed(transaction.error);
    });
  } finally {
    base.close();
  }
}

/** Keep `take`: `{ id, dataset, prompt, replaces, text, wav }`. */
export const keep = (take) => inStore("readwrite", (store) => store.put(take));

const FORGOTTEN = "studio.forgotten"; // takes that the database may still hold: a reload ends what it is writing
const forgotten = () => JSON.parse(localStorage.getItem(FORGOTTEN) || "[]");
const setForgotten = (ids) => localStorage.setItem(FORGOTTEN, JSON.stringify(ids));

/** Forget the take `id`: it is saved, or thrown away. It never comes back, even if the page is reloaded at once. */
export async function forget(id) {
  setForgotten([...forgotten(), id]);
  await inStore("readwrite", (store) => store.delete(id));
  setForgotten(forgotten().filter((other) => other !== id));
}

/** The takes of `dataset` that were never saved, oldest first. */
export async function kept(dataset) {
  for (const id of forgotten()) await forget(id);
  const takes = await inStore("readonly", (store) => store.getAll());
  return takes.filter((take) => take.dataset === dataset).sort((a, b) => a.at - b.at);
}
