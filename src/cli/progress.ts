// What a person sees while an apply runs. On a terminal a line a PF that moves (listr2, imported
// only then); elsewhere plain lines that a log can keep, where the same change of many VFs of a
// PF is one line. Always on standard error.

import type { ActionResult } from "../apply/journal.ts";
import type { Progress } from "../apply/run.ts";
import type { Action } from "../model/action.ts";
import { commonWords } from "../plan/plan-text.ts";
import { rangesOf } from "../model/vf-range.ts";
import type { Context } from "./context.ts";
import { clean, type Style } from "./style.ts";

export type ProgressView = {
  onProgress(progress: Progress): void;
  /** Somebody pressed Ctrl-C. */
  stopping(): void;
  /** Shows what is still held back; nothing is shown afterwards. */
  close(): Promise<void>;
};

const silent: ProgressView = {
  onProgress: () => {},
  stopping: () => {},
  close: async () => {},
};

export async function progressView(
  context: Context,
  actions: readonly Action[],
  style: Style,
): Promise<ProgressView> {
  if (actions.length === 0) return silent;
  const { io, log } = context;
  const isLive = io.stderr.isTerminal && log.level === "normal" && !context.isJson;
  if (!isLive) return plainProgress((line) => io.stderr.write(`${line}\n`), style);
  const { liveProgress } = await import("./live-progress.ts");
  return liveProgress(actions);
}

const marks: Record<ActionResult, readonly [mark: string, tone: "good" | "bad" | "warn"]> = {
  "done": ["✔", "good"],
  "undone": ["↩", "warn"],
  "failed": ["✖", "bad"],
  "undo-failed": ["✖", "bad"],
  "stuck": ["⏳", "bad"],
  "not-run": ["·", "warn"],
};

export const pfOfAction = ({ change, target }: Action): string =>
  "pf" in change ? change.pf : target;

/** Words for an undo: an action's inverse is not one change but what was before it. */
export const actionWords = ({ change }: Action, direction: "do" | "undo"): string =>
  direction === "undo" ? `take back: ${commonWords(change)}` : commonWords(change);

type Held = { readonly text: string; readonly vfIndexes: number[] };

/** Equal results of VFs of one PF are held back until something else happens on that PF. */
function plainProgress(write: (line: string) => void, style: Style): ProgressView {
  const held = new Map<string, Map<string, Held>>();
  const line = (pf: string, words: string, result: ActionResult): void => {
    const [mark, tone] = marks[result];
    write(`${style(tone, mark)} ${pf}  ${clean(words)}`);
  };
  const flush = (pf: string): void => {
    for (const [words, { vfIndexes, text }] of held.get(pf) ?? []) {
      const result = words.split(" ")[0] as ActionResult;
      line(pf, `VF ${rangesOf(vfIndexes)}: ${text}`, result);
    }
    held.delete(pf);
  };
  return {
    onProgress(progress) {
      if (progress.type === "phase" && progress.phase === "undo") {
        for (const pf of held.keys()) flush(pf);
        write(style("warn", "Undoing"));
      }
      if (progress.type !== "result") return;
      const { action, direction, result, error } = progress;
      const pf = pfOfAction(action);
      const text = actionWords(action, direction);
      if (!("vfIndex" in action.change) || error !== null) {
        flush(pf);
        const vf = "vfIndex" in action.change ? `VF ${action.change.vfIndex}: ` : "";
        line(pf, `${vf}${text}${error === null ? "" : `: ${error.message}`}`, result);
        return;
      }
      const ofPf = held.get(pf) ?? new Map<string, Held>();
      held.set(pf, ofPf);
      const key = `${result} ${text}`;
      const known = ofPf.get(key);
      if (known === undefined) ofPf.set(key, { text, vfIndexes: [action.change.vfIndex] });
      else known.vfIndexes.push(action.change.vfIndex);
    },
    stopping: () => write("Stopping after the changes that are running; Ctrl-C again leaves it so"),
    close: async () => {
      for (const pf of held.keys()) flush(pf);
    },
  };
}
