// A model in ONNX Runtime: sound to text by greedy decoding, by the rules in model.json.

/** What the tokens `ids` write; `written` has the bytes of each token in base64. */
export function text(/** @type {number[]} */ ids, /** @type {string[]} */ written) {
  const bytes = ids.map((id) => atob(written[id] ?? "")).join("");
  return new TextDecoder().decode(Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))).trim();
}

/** How many tokens `seconds` of sound can have at most. */
export const mostTokens = (seconds, { least, per_second: rate, most }) =>
  Math.min(Math.max(least, Math.ceil(seconds * rate)), most);

/** The place of the largest of `logits` that is not `forbidden`. */
export function likeliest(/** @type {Float32Array} */ logits, /** @type {Set<number>} */ forbidden) {
  let best = -1;
  logits.forEach((value, id) => {
    if (!forbidden.has(id) && (best < 0 || value > logits[best])) best = id;
  });
  return best;
}

export class Model {
  constructor(ort, rules, sessions) {
    this.ort = ort;
    this.rules = rules;
    this.sessions = sessions;
  }

  /** The graphs in `folder`. */
  static async open(ort, rules, folder) {
    const sessions = {};
    for (const part of rules.parts) {
      sessions[part] = await ort.InferenceSession.create(`${folder}/${part}.onnx`, { executionProviders: ["wasm"] });
    }
    return new Model(ort, rules, sessions);
  }

  /** The text of `samples`. */
  async transcribe(/** @type {Float32Array} */ samples) {
    const { rules } = this;
    const hidden = await this.#encoded(samples);
    const limit = mostTokens(samples.length / rules.rate, rules.length);
    const ids = [];
    let [given, forbidden] = [rules.prompt, new Set([...rules.never, ...rules.never_first])];
    let cache = this.#empty();
    while (ids.length < limit) {
      const { logits, ...next } = await this.#following(given, hidden, cache, ids.length > 0);
      const token = likeliest(logits, forbidden);
      if (rules.ends.includes(token)) break;
      ids.push(token);
      [given, forbidden, cache] = [[token], new Set(rules.never), next.cache];
    }
    return text(ids, rules.tokens);
  }

  async #encoded(samples) {
    const { features, encoder_model: encoder } = this.sessions;
    let input = new this.ort.Tensor("float32", samples, [1, samples.length]);
    if (features) input = (await features.run({ samples: this.#frame(samples) })).features;
    return (await encoder.run({ [encoder.inputNames[0]]: input })).last_hidden_state;
  }

  /** `samples` with silence after them, as long as the model always hears. */
  #frame(samples) {
    const whole = new Float32Array(this.rules.frame);
    whole.set(samples.subarray(0, whole.length));
    return new this.ort.Tensor("float32", whole, [1, whole.length]);
  }

  #empty() {
    const past = this.sessions.decoder_model_merged.inputMetadata.filter(({ name }) => name.startsWith("past_"));
    const nothing = ([, heads, , width]) => new this.ort.Tensor("float32", new Float32Array(0), [1, heads, 0, width]);
    return Object.fromEntries(past.map(({ name, shape }) => [name, nothing(shape)]));
  }

  /** The logits of the token after `ids`, and the cache for the next. What was heard is in it after the first call. */
  async #following(ids, hidden, cache, isLater) {
    const { Tensor } = this.ort;
    const found = await this.sessions.decoder_model_merged.run({
      input_ids: new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
      encoder_hidden_states: hidden,
      use_cache_branch: new Tensor("bool", Uint8Array.of(Number(isLater)), [1]),
      ...cache,
    });
    const kept = (name) => isLater && name.includes(".encoder.");
    const next = Object.keys(cache).map((name) => [
      name,
      kept(name) ? cache[name] : found[name.replace("past_key_values", "present")],
    ]);
    return { logits: found.logits.data.slice(-found.logits.dims[2]), cache: Object.fromEntries(next) };
  }
}
