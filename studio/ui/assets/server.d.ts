// What the server sends, as the Python models have it. Written by `make types`; a test compares the two.

declare namespace Server {
  interface AdapterCard {
    name: string;
    title: string;
    meaning: string;
    values: Record<string, any>;
  }

  interface AlignedHypothesis {
    edits: Edit[];
    errors: number;
    wer: number;
    confidence: number | null;
    chances: (number | null)[];
    confusions: [string, string][];
  }

  interface Answer {
    question: string;
    answer: string;
    detail: string;
    state: "good" | "look" | "bad" | "";
  }

  interface CheckpointSaved {
    at: number;
    type: "checkpoint";
    step: number;
    path: string;
  }

  interface ClipPage {
    rows: ClipResult[];
    found: number;
    page: number;
    pages: number;
  }

  interface ClipResult {
    id: string;
    reference: string;
    compared: string;
    seconds: number;
    pace: number | null;
    snr: number | null;
    speaker: string;
    before: AlignedHypothesis | null;
    after: AlignedHypothesis;
  }

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

  interface ConditionGroup {
    by: string;
    name: string;
    clips: number;
    words: number;
    before: number | null;
    after: number | null;
  }

  interface ConfidenceBin {
    name: string;
    words: number;
    right: number;
    mean: number;
    share: number | null;
  }

  interface Confusion {
    said: string;
    written: string;
    before: number | null;
    after: number;
    is_spelling: boolean;
  }

  interface CurvePoint {
    share: number;
    clips: number;
    seconds: number;
    wer: number;
    low: number;
    high: number;
  }

  interface Dot {
    before: number;
    after: number;
    outcome: "better" | "worse" | "same";
    clips: number;
  }

  interface Download {
    model: string;
    status: "none" | "running" | "stopping" | "stopped" | "interrupted" | "failed" | "finished";
    line: string;
  }

  interface Edit {
    kind: "equal" | "substitute" | "delete" | "insert" | "spelling";
    reference: string;
    hypothesis: string;
  }

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

  interface ExportTarget {
    path: string;
    size: number;
    files: string[];
    snippet: string;
    trouble: string;
  }

  interface Exports {
    adapter: ExportTarget;
    merge: Merge;
    command: string;
    serve: string;
  }

  interface Failed {
    at: number;
    type: "failed";
    message: string;
    remedy: string;
  }

  interface Finding {
    code:
      | "no-speech"
      | "cut"
      | "clipped"
      | "quiet"
      | "noisy"
      | "silence"
      | "pause"
      | "long"
      | "fast"
      | "slow"
      | "offset"
      | "telephone"
      | "doubled"
      | "dropped"
      | "click"
      | "twin"
      | "empty"
      | "ratio"
      | "paraphrase"
      | "script"
      | "control"
      | "secret";
    verdict: "look" | "re-record" | "note";
    what: string;
    remedy: string;
  }

  interface Finished {
    at: number;
    type: "finished";
    step: number;
    best_step: number;
    strength: number;
    wer_before: number | null;
    wer_after: number | null;
    cer_before: number | null;
    cer_after: number | null;
    unit: "word" | "character";
    seconds: number;
    peak_memory: number;
  }

  interface FinishedExport {
    target: string;
    title: string;
    precision: string;
    path: string;
    is_stale: boolean;
    stages: Stage[];
    clips: number;
    noun: string;
    others: OtherText[];
    errors: string;
    verdict: "better" | "worse" | "no difference shown" | "too few clips" | null;
    size: number;
    model_size: number;
    speed: number;
    each: string;
    digits: number;
    pytorch_speed: number;
    threads: number;
    uses: Use[];
  }

  interface Forecast {
    more: number;
    change: number;
    low: number;
    high: number;
    doubt: "" | "few clips" | "nothing left" | "no gain" | "too wide";
  }

  interface Form {
    kind: "speech" | "typing";
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

  interface Going {
    run: string | null;
    waiting: number;
  }

  interface HeldOut {
    normaliser: string;
    normalisers: Record<string, string>;
    after: Score;
    unit: "word" | "character";
    tiles: Tile[];
    typing: [string, string, string][];
    answers: Answer[];
    words: WordResult[];
    confusions: Confusion[];
    groups: ConditionGroup[];
    sureties: ConfidenceBin[];
    dots: Dot[];
    missed: number;
    convention: "words" | "digits";
    skipped: string[];
    unwritable: string[];
  }

  interface Hypothesis {
    text: string;
    seconds: number;
    latency: number;
    confidence: number | null;
    words: [string, number][] | null;
    starts: number[] | null;
    is_cut: boolean;
  }

  interface Kept {
    id: string;
    text: string;
    said: string;
  }

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

  interface LabelChange {
    id: string;
    before: string;
    after: string;
    rule: string;
    words: [string, number][];
  }

  interface LabelChanges {
    title: string;
    count: number;
    clips: number;
    digest: string;
    rows: LabelChange[];
    left: number;
    examples: string[];
    untimed: number;
  }

  interface LabelModel {
    title: string;
    model: string;
    adapter: string | null;
  }

  interface LabelOverview {
    clips: number;
    heard: number;
    doubted: number;
    likely: number;
    unlabelled: number;
    timed: number;
    rough: number;
    by_hand: number;
    readers: LabelModel[];
    aligners: LabelModel[];
    rules: Record<string, Rule[]>;
  }

  interface Learning {
    curve: LearningCurve;
    outlook: string;
    task: TaskState | null;
  }

  interface LearningCurve {
    run: string;
    normaliser: string;
    unit: "word" | "character";
    base_wer: number | null;
    points: CurvePoint[];
    missing: number[];
    forecast: Forecast | null;
  }

  interface LiveHypothesis {
    run: string;
    words: [string, number][];
    starts: number[];
  }

  interface LiveTurnHeard {
    heard: number;
    columns: LiveHypothesis[];
  }

  interface LongFileRequest {
    name: string;
    seconds: number;
    model: string;
    run: string;
    given_at: number;
  }

  interface LossMeasured {
    at: number;
    type: "loss";
    step: number;
    loss: number;
    general_loss: number | null;
  }

  interface Mended {
    model: string;
    before: Hypothesis;
    after: Hypothesis | null;
    edits_before: Edit[];
    edits_after: Edit[];
  }

  interface Merge {
    status: "none" | "working" | "done" | "stale" | "failed";
    stage: string;
    trouble: string;
    clips: number;
    max_difference: number;
    target: ExportTarget | null;
  }

  interface Model {
    id: string;
    title: string;
    parameters: number;
    state: "bundled" | "on disk" | "download";
    download_bytes: number;
    is_own: boolean;
    languages: string[];
    language: string;
    targets: string;
  }

  interface ModelHypothesis {
    run: string;
    plain: Hypothesis;
    biased: Hypothesis | null;
    edits: Edit[];
    changes: Edit[];
  }

  interface Noted {
    at: number;
    type: "noted";
    message: string;
  }

  interface OtherText {
    clip: string;
    pytorch: string;
    exported: string;
  }

  interface Overview {
    kind: "speech" | "typing";
    models: string[];
    clips: number;
    seconds: number;
    counts: Record<string, number>;
    problems: string[];
  }

  interface PairPage {
    total: number;
    pairs: number;
    first: number;
    rows: PairRow[];
  }

  interface PairRow {
    id: string;
    typed: string;
    text: string;
    prompt: string;
    speaker: string;
    session: string;
    split: "train" | "validation" | "test" | "unused";
    source: "microphone" | "keyboard" | "import" | "live" | "synthetic";
    created_at: string;
    duration: number;
    backspaces: number;
    pace: number | null;
    edits: number;
    verdict: "fine" | "look";
    findings: Finding[];
  }

  interface Passage {
    text: string;
    is_code: boolean;
  }

  interface Phase {
    at: number;
    type: "phase";
    name:
      | "loading"
      | "labelling"
      | "encoding"
      | "baseline"
      | "training"
      | "validating"
      | "tuned"
      | "writing"
      | "reading"
      | "checking"
      | "importing"
      | "exporting"
      | "aligning"
      | "waiting";
    done: number;
    total: number;
    general: boolean;
  }

  interface PrecisionChoice {
    name: string;
    share: number;
  }

  interface PresetCard {
    name: string;
    title: string;
    meaning: string;
    values: Record<string, any>;
  }

  interface Rule {
    name: string;
    title: string;
    description: string;
    choices: string[];
    default: string;
  }

  interface RunExports {
    targets: TargetChoice[];
    finished: FinishedExport[];
    tasks: TaskState[];
  }

  interface RunStarted {
    run: string;
    position: number;
    notes: string[];
  }

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

  interface Sampled {
    at: number;
    type: "sample";
    step: number;
    reference: string;
    hypothesis: string;
  }

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

  interface Stage {
    name: string;
    max_difference: number;
    relative_difference: number;
    psnr: number;
  }

  interface Started {
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

  interface StepDone {
    at: number;
    type: "step";
    step: number;
    loss: number;
    learning_rate: number;
    clips_per_second: number;
    seconds: number;
  }

  interface Stopped {
    at: number;
    type: "stopped";
    step: number;
    reason: "stop and save" | "discard" | "early stop" | "interrupted" | "diverged";
  }

  interface TargetChoice {
    name: string;
    title: string;
    precisions: PrecisionChoice[];
    install: string;
  }

  interface TaskState {
    name: string;
    what: string;
    status: "none" | "running" | "stopping" | "stopped" | "interrupted" | "failed" | "finished";
    started_at: number | null;
    ended_at: number | null;
  }

  interface TestableRun {
    name: string;
    model: string;
    dataset: string;
    before: number | null;
    after: number | null;
    rate: string;
    strength: number | null;
  }

  interface Tile {
    name: string;
    before: string;
    after: string;
    is_better: boolean;
  }

  interface TurnEnds {
    duration: number;
    tracks: TurnTrack[];
    horizons: number[];
    head: number;
    threshold: number;
    by_level: number[];
    silence: number;
    note: string;
  }

  interface TurnTrack {
    run: string;
    seconds: number[];
    chances: number[][];
    first_word: number | null;
  }

  interface Use {
    program: string;
    passages: Passage[];
  }

  interface UtteranceHypotheses {
    model: string;
    columns: ModelHypothesis[];
    notes: string[];
  }

  interface VerdictSummary {
    headline: string;
    detail: string;
    alarm: string;
    state: "good" | "look" | "bad" | "";
  }

  interface WaitingRun {
    name: string;
    model: string;
    dataset: string;
    settings: string;
  }

  interface Warned {
    at: number;
    type: "warned";
    message: string;
  }

  interface WordResult {
    word: string;
    said: number;
    right_before: number | null;
    right_after: number;
  }

  /** A line of a run's log. */
  type RunEvent =
    | Started
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
