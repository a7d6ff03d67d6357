// What the server sends, as the Python models have it. Written by `make types`; a test compares the two.

declare namespace Server {
  /** What was given, and who reads it. */
  interface About {
    name: string;
    seconds: number;
    model: string;
    run: string;
    given_at: number;
  }

  /** What a run can teach: a value of the setting `targets`, in words, and what goes with it. */
  interface AdapterCard {
    name: string;
    title: string;
    meaning: string;
    values: Record<string, any>;
  }

  /** One question, answered in a few words and in a sentence or two. */
  interface Answer {
    question: string;
    answer: string;
    detail: string;
    state: "good" | "look" | "bad" | "";
  }

  /** All that is needed to go on from `step` lies in `path`, relative to the run folder. */
  interface CheckpointSaved {
    at: number;
    type: "checkpoint";
    step: number;
    path: string;
  }

  /** A page of the table. */
  interface ClipPage {
    rows: ClipReading[];
    found: number;
    page: number;
    pages: number;
  }

  /** One held-out clip, before and after. */
  interface ClipReading {
    id: string;
    reference: string;
    compared: string;
    seconds: number;
    pace: number | null;
    snr: number | null;
    speaker: string;
    before: Reading | null;
    after: Reading;
  }

  /** What there is to learn from, and whether that is enough to start a run. */
  interface Clips {
    train: number;
    validation: number;
    test: number;
    seconds: number;
    missing: number;
    blocker: string;
    advice: string;
    mixed: string;
  }

  /** What one model wrote: the base alone, or with the adapter of a run. */
  interface Column {
    run: string;
    plain: Hypothesis;
    biased: Hypothesis | null;
    edits: Edit[];
    changes: Edit[];
  }

  /** Words that were taken for others; an empty side is nothing at all. */
  interface Confusion {
    said: string;
    written: string;
    before: number | null;
    after: number;
    is_spelling: boolean;
  }

  /** A run on a share of the training clips. */
  interface CurvePoint {
    share: number;
    clips: number;
    seconds: number;
    wer: number;
    low: number;
    high: number;
  }

  /** Clips with the same accuracy before and the same after, in percent, of which the same became. */
  interface Dot {
    before: number;
    after: number;
    outcome: "better" | "worse" | "same";
    clips: number;
  }

  /** A model on its way to this disk. */
  interface Download {
    model: string;
    status: "none" | "running" | "stopping" | "stopped" | "interrupted" | "failed" | "finished";
    line: string;
  }

  /** One step of a word diff: `reference` words became `hypothesis` words. */
  interface Edit {
    kind: "equal" | "substitute" | "delete" | "insert" | "spelling";
    reference: string;
    hypothesis: string;
  }

  /** A split was decoded: `split` is validation while training; test at step 0 (before) and at the end (after). */
  interface Evaluated {
    at: number;
    type: "evaluated";
    step: number;
    split: "validation" | "test" | "general";
    wer: number;
    cer: number;
    unit: "word" | "character";
    clips: number;
    best: boolean;
    loss: number | null;
    general_wer: number | null;
    general_loss: number | null;
  }

  /** What a run has to give. */
  interface Exports {
    adapter: Target;
    merge: Merge;
    command: string;
    serve: string;
  }

  /** The run ended without a result. What happened, then what to do. */
  interface Failed {
    at: number;
    type: "failed";
    message: string;
    remedy: string;
  }

  /** The run is whole; `DONE` stands in its folder. */
  interface Finished {
    at: number;
    type: "finished";
    step: number;
    best_step: number;
    wer_before: number | null;
    wer_after: number | null;
    cer_before: number | null;
    cer_after: number | null;
    unit: "word" | "character";
    seconds: number;
    peak_memory: number;
  }

  /** The change of word error rate that `more` training clips of the same kind would bring. */
  interface Forecast {
    more: number;
    change: number;
    low: number;
    high: number;
    doubt: "" | "few clips" | "nothing left" | "no gain" | "too wide";
  }

  /** All that the Train tab shows beside a run itself. */
  interface Form {
    clips: Clips;
    knobs: Record<string, Knob[]>;
    adapters: AdapterCard[];
    presets: PresetCard[];
    models: Model[];
    download: Download | null;
    running: string | null;
    waiting: WaitingRun[];
    runs: RunSummary[];
    can_go_away: boolean;
  }

  /** The run that is training now, in a few bytes: every open page asks, whichever tab it shows. */
  interface Going {
    run: string | null;
    waiting: number;
  }

  /** Clips that have something in common. */
  interface Group {
    by: string;
    name: string;
    clips: number;
    words: number;
    before: number | null;
    after: number | null;
  }

  /** One utterance, read by the base model and then by each run. */
  interface Heard {
    model: string;
    columns: Column[];
    notes: string[];
  }

  /** A run's held-out clips as a whole. */
  interface HeldOut {
    normaliser: string;
    normalisers: Record<string, string>;
    after: Score;
    unit: "word" | "character";
    tiles: Tile[];
    answers: Answer[];
    words: Word[];
    confusions: Confusion[];
    groups: Group[];
    sureties: Surety[];
    dots: Dot[];
    missed: number;
    convention: "words" | "digits";
    skipped: string[];
    unwritable: string[];
  }

  /** What a model wrote for one clip. */
  interface Hypothesis {
    text: string;
    seconds: number;
    latency: number;
    confidence: number | null;
    words: [string, number][] | null;
  }

  /** The verdict on a run, as the Train tab shows it when the run is over. */
  interface InShort {
    headline: string;
    detail: string;
    alarm: string;
    state: "good" | "look" | "bad" | "";
  }

  /** Where a correction went. */
  interface Kept {
    id: string;
    text: string;
    said: string;
  }

  /** One setting as a form field. */
  interface Knob {
    name: string;
    label: string;
    help: string;
    kind: "integer" | "number" | "boolean" | "string" | "choice";
    default: any;
    minimum: number | null;
    maximum: number | null;
    choices: string[];
  }

  /** The curve, and whether more of it is being trained. */
  interface Learning {
    curve: LearningCurve;
    outlook: string;
    task: TaskState | null;
  }

  /** As much of it as has been trained. */
  interface LearningCurve {
    run: string;
    normaliser: string;
    unit: "word" | "character";
    base_wer: number | null;
    points: CurvePoint[];
    missing: number[];
    forecast: Forecast | null;
  }

  /** The validation clips after `step`, without decoding them: nats per token. */
  interface LossMeasured {
    at: number;
    type: "loss";
    step: number;
    loss: number;
    general_loss: number | null;
  }

  /** How a run's merged model stands. */
  interface Merge {
    status: "none" | "working" | "done" | "stale" | "failed";
    stage: string;
    trouble: string;
    clips: number;
    max_difference: number;
    target: Target | null;
  }

  /** One line of the model picker. */
  interface Model {
    id: string;
    title: string;
    parameters: number;
    state: "bundled" | "on disk" | "download";
    download_bytes: number;
    is_own: boolean;
  }

  /** What a task found, in a sentence. */
  interface Noted {
    at: number;
    type: "noted";
    message: string;
  }

  /** New labels as the page shows them. */
  interface Offered {
    title: string;
    count: number;
    clips: number;
    digest: string;
    rows: Row[];
    left: number;
    examples: string[];
  }

  /** What the sidebar shows of a dataset. */
  interface Overview {
    clips: number;
    seconds: number;
    counts: Record<string, number>;
    problems: string[];
  }

  /** What the run is doing now, and how far it is in it (`done` of `total` clips or steps). */
  interface Phase {
    at: number;
    type: "phase";
    name:
      | "loading"
      | "encoding"
      | "baseline"
      | "training"
      | "validating"
      | "tuned"
      | "writing"
      | "reading"
      | "checking"
      | "importing"
      | "exporting";
    done: number;
    total: number;
  }

  /** A named starting point: every knob's value, and what it is for. */
  interface PresetCard {
    name: string;
    title: string;
    meaning: string;
    values: Record<string, any>;
  }

  /** A model, or a run's adapter on it, that can read clips. */
  interface Reader {
    title: string;
    model: string;
    adapter: string | null;
  }

  /** What one model wrote for one clip, word by word against the reference. */
  interface Reading {
    edits: Edit[];
    errors: number;
    wer: number;
    confidence: number | null;
    chances: (number | null)[];
    confusions: [string, string][];
  }

  /** One label that would change; with what was heard, how sure the model was of each word. */
  interface Row {
    id: string;
    before: string;
    after: string;
    rule: string;
    words: [string, number][];
  }

  /** One choice of how a kind of number is written. */
  interface Rule {
    name: string;
    title: string;
    description: string;
    choices: string[];
    default: string;
  }

  /** One line of the list of runs. */
  interface RunSummary {
    name: string;
    status: "none" | "running" | "stopping" | "stopped" | "interrupted" | "failed" | "finished";
    model: string;
    dataset: string;
    wer_before: number | null;
    wer_after: number | null;
    before: number | null;
    after: number | null;
    rate: "WER" | "CER";
    step: number;
    started_at: number;
    seconds: number | null;
    note: string;
  }

  /** One clip of the split just decoded, for the eye. */
  interface Sampled {
    at: number;
    type: "sample";
    step: number;
    reference: string;
    hypothesis: string;
  }

  /** Errors over a list of clips: `(substitutions + deletions + insertions) / words`. */
  interface Score {
    wer: number;
    cer: number;
    digit_error: number | null;
    substitutions: number;
    deletions: number;
    insertions: number;
    words: number;
    clips: number;
    normaliser: string;
    sentence_accuracy: number | null;
    characters: number;
  }

  /** What the dialog opens with. */
  interface Standing {
    clips: number;
    heard: number;
    doubted: number;
    likely: number;
    readers: Reader[];
    rules: Record<string, Rule[]>;
  }

  /** One optimiser step. `loss` is nats per token over the whole global batch. */
  interface StepDone {
    at: number;
    type: "step";
    step: number;
    loss: number;
    learning_rate: number;
    clips_per_second: number;
    seconds: number;
  }

  /** Training ended before `max_steps`: by the person, or because it no longer got better, or ran away. */
  interface Stopped {
    at: number;
    type: "stopped";
    step: number;
    reason: "stop and save" | "discard" | "early stop" | "interrupted" | "diverged";
  }

  /** Written words of which the model was about as sure, and how many of them are right. */
  interface Surety {
    name: string;
    words: number;
    right: number;
    mean: number;
    share: number | null;
  }

  /** One folder that can be used without the studio. */
  interface Target {
    path: string;
    size: number;
    files: string[];
    snippet: string;
    trouble: string;
  }

  /** One task of a dataset: what it does, and how it stands. */
  interface TaskState {
    name: string;
    what: string;
    status: "none" | "running" | "stopping" | "stopped" | "interrupted" | "failed" | "finished";
    started_at: number | null;
    ended_at: number | null;
  }

  /** A run with an adapter, as the picker lists it. */
  interface TestableRun {
    name: string;
    model: string;
    dataset: string;
    before: number | null;
    after: number | null;
    rate: string;
  }

  /** One figure, before and after, as a person reads it. */
  interface Tile {
    name: string;
    before: string;
    after: string;
    is_better: boolean;
  }

  /** A run that waits its turn. */
  interface WaitingRun {
    name: string;
    model: string;
    dataset: string;
    settings: string;
  }

  /** Something a person should know; the run goes on. */
  interface Warned {
    at: number;
    type: "warned";
    message: string;
  }

  /** A word of the references: how often it was said, and how often it was written right. */
  interface Word {
    word: string;
    said: number;
    right_before: number | null;
    right_after: number;
  }

  /** The run's plan. A resumed run says so again, with `resumed_from` > 0. */
  interface EventsStarted {
    at: number;
    type: "started";
    run: string;
    model: string;
    device: string;
    train_clips: number;
    validation_clips: number;
    test_clips: number;
    train_seconds: number;
    max_steps: number;
    trainable_parameters: number;
    total_parameters: number;
    resumed_from: number;
    processes: number;
  }

  /** A run that was asked for. */
  interface TrainStarted {
    run: string;
    position: number;
    notes: string[];
  }

  /** A line of a run's log. */
  type RunEvent =
    | EventsStarted
    | Phase
    | StepDone
    | Evaluated
    | LossMeasured
    | CheckpointSaved
    | Sampled
    | Warned
    | Noted
    | Stopped
    | Failed
    | Finished;
}
