// Progress on a terminal: one line a PF with what is being done to it and how far it is. Loads
// listr2, so only an apply on a terminal imports this file.

import { Listr, ListrLogger, ProcessOutput, type ListrTaskWrapper } from "listr2";
import type { ListrDefaultRenderer, ListrSimpleRenderer } from "listr2";
import type { Progress } from "../apply/run.ts";
import type { Action } from "../model/action.ts";
import { actionWords, pfOfAction, type ProgressView } from "./progress.ts";
import { clean } from "./style.ts";

type Line = ListrTaskWrapper<unknown, ListrDefaultRenderer, ListrSimpleRenderer>;

/** The line of one PF: ends when all its actions have a result, or when the apply has ended. */
class PfLine {
  readonly pf: string;
  #total: number;
  #count = 0;
  #failure: string | null = null;
  #line: Line | null = null;
  #ended = Promise.withResolvers<void>();

  constructor(pf: string, total: number) {
    this.pf = pf;
    this.#total = total;
  }

  async run(line: Line): Promise<void> {
    this.#line = line;
    await this.#ended.promise;
    line.title = this.#title("");
    if (this.#failure !== null) throw new Error(this.#failure);
  }

  #title(words: string): string {
    return clean(`${this.pf}  ${this.#count}/${this.#total}${words === "" ? "" : `  ${words}`}`);
  }

  show(words: string): void {
    if (this.#line !== null) this.#line.title = this.#title(words);
  }

  result(progress: Extract<Progress, { type: "result" }>): void {
    if (progress.error !== null) this.#failure = clean(progress.error.message);
    this.#count += 1;
    if (this.#count === this.#total && this.#failure === null) this.end();
  }

  /** Whatever was done so far is what will be undone; a rollback begins with this. */
  beginUndo(): void {
    if (this.#count > 0) this.#total = this.#count;
    this.#count = 0;
    this.show("undoing");
  }

  end(): void {
    this.#ended.resolve();
  }
}

export function liveProgress(actions: readonly Action[]): ProgressView {
  const lines = new Map(
    [...Map.groupBy(actions, pfOfAction)].map(([pf, ofPf]) => [pf, new PfLine(pf, ofPf.length)]),
  );
  const output = new ProcessOutput(process.stderr, process.stderr);
  const list = new Listr(
    [...lines.values()].map((line) => ({
      title: line.pf,
      task: async (_context: unknown, task: Line) => line.run(task),
    })),
    {
      concurrent: true,
      exitOnError: false,
      // Ctrl-C ends the apply in order; listr2 would end the process.
      registerSignalListeners: false,
      rendererOptions: {
        logger: new ListrLogger({ processOutput: output }),
        formatOutput: "truncate",
        // The report tells each error with its hint.
        showErrorMessage: false,
        collapseErrors: false,
      },
    },
  );
  const ended = list.run();
  return {
    onProgress(progress) {
      if (progress.type === "phase") {
        if (progress.phase === "undo") for (const line of lines.values()) line.beginUndo();
        return;
      }
      const line = lines.get(pfOfAction(progress.action));
      if (progress.type === "result") line?.result(progress);
      else line?.show(actionWords(progress.action, progress.direction));
    },
    stopping: () => {
      for (const line of lines.values()) line.show("stopping; Ctrl-C again leaves it so");
    },
    close: async () => {
      for (const line of lines.values()) line.end();
      await ended;
    },
  };
}
