// `sriovctl demo`: the main job, guided, on an emulated machine of its own in a temporary folder,
// so that it always starts from the same state and leaves nothing behind. Every step runs the
// real command and shows what it prints. With options it sets up the user's own machine instead.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { isSingleExecutable } from "../../host/linux/own-command.ts";
import type { Context, RunCommand } from "../context.ts";
import { asksForSetUp, demoFormat, setUpEmulated } from "../emulated-set-up.ts";
import type { Style } from "../style.ts";

export const exampleNames = ["demo.yaml", "demo-resize.yaml"] as const;

/** Beside the program in a package, at the root of a checkout; a single executable has them inside. */
function findExamples(folder: string): string {
  if (isSingleExecutable()) {
    const { getAsset } = process.getBuiltinModule("node:sea");
    for (const name of exampleNames) {
      writeFileSync(join(folder, name), getAsset(`examples/${name}`, "utf8"));
    }
    return folder;
  }
  const beside = join(import.meta.dirname, "examples");
  return existsSync(beside) ? beside : join(import.meta.dirname, "..", "..", "..", "examples");
}

/** As a person in this folder would name it. */
function pathFromHere(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

type Step = {
  readonly title: string;
  readonly words: readonly string[];
  readonly argv: readonly string[];
  readonly exitCode: number;
};

const stepsWith = (spec: string, resizedSpec: string): readonly Step[] => [
  {
    title: "Inspect",
    words: [
      "What the machine has: cards, their PFs, the VFs of each, and who uses what.",
      "One PF carries the host's bridge, and the VM web1 holds a VF already.",
    ],
    argv: ["list"],
    exitCode: 0,
  },
  {
    title: "Plan",
    words: [
      "The spec above asks for 28 more VFs on three PFs, with their policy and drivers.",
      "The plan says what would be done, why, and whom it would hit. Nothing is changed.",
    ],
    argv: ["plan", "-f", spec],
    exitCode: 0,
  },
  {
    title: "Apply",
    words: [
      "The same plan, done: each step is journalled before and after, PFs run side by side,",
      "and at the end the plan is made again. That it is empty is the verification.",
    ],
    argv: ["apply", "-f", spec, "--yes"],
    exitCode: 0,
  },
  {
    title: "Confirm",
    words: [
      "One of the PFs is protected as storage, so the apply was on trial: had nobody confirmed",
      "within 90 s, a watchdog would have taken it back, even if our session were gone.",
    ],
    argv: ["confirm"],
    exitCode: 0,
  },
  { title: "Look again", words: ["The VFs, bound and configured."], argv: ["list"], exitCode: 0 },
  {
    title: "Check for drift",
    words: ["Later, or in a timer: is the host still as the spec says? Exit code 4 if not."],
    argv: ["drift", "-f", spec],
    exitCode: 0,
  },
  {
    title: "A resize that would kill a guest's NIC",
    words: [
      "8 VFs instead of 4 on the card of web1. The kernel can resize only through 0 VFs,",
      "so the VM would lose its NIC. Writing sriov_numvfs would just do it; this is refused.",
    ],
    argv: ["apply", "-f", resizedSpec, "--yes"],
    exitCode: 3,
  },
  {
    title: "Roll back",
    words: ["Back to the state before the last apply, from the journal."],
    argv: ["rollback", "--yes"],
    exitCode: 0,
  },
];

export const demo: RunCommand = async (context, args) => {
  if (asksForSetUp(args)) return setUpEmulated(context, args);
  const folder = mkdtempSync(join(tmpdir(), "sriovctl-demo-"));
  const exitCodes: number[] = [];
  const examples = findExamples(folder);
  const spec = pathFromHere(join(examples, exampleNames[0]));
  const steps = stepsWith(spec, pathFromHere(join(examples, exampleNames[1])));
  try {
    context.print(...introduction(spec, context.style));
    for (const [index, step] of steps.entries()) {
      context.print(...heading(step, index, context.style));
      exitCodes.push(await runStep(step, context, folder));
      context.print("");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const isGood = steps.every(({ exitCode }, index) => exitCodes[index] === exitCode);
  context.printJson({
    format: demoFormat,
    steps: steps.map(({ argv }, index) => ({ argv, exitCode: exitCodes[index] })),
    ok: isGood,
  });
  context.print(...(isGood ? ending(context.style) : ["A step did not end as it should have."]));
  return isGood ? 0 : 1;
};

function introduction(spec: string, style: Style): string[] {
  return [
    style("strong", "sriovctl on an emulated machine"),
    "Its kernel, cards and drivers refuse what real ones refuse. Nothing of this computer is touched.",
    "",
    `${style("strong", "The spec")}  ${style("dim", spec)}`,
    ...readFileSync(spec, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => `  ${line}`),
    "",
  ];
}

function heading({ title, words, argv }: Step, index: number, style: Style): string[] {
  return [
    `${style("strong", `${index + 1}. ${title}`)}`,
    ...words,
    "",
    style("name", `$ sriovctl --host emulated:demo ${argv.join(" ")}`),
  ];
}

/** Runs the real command on the demo's own machine; all it prints goes where the demo prints. */
async function runStep({ argv }: Step, context: Context, folder: string): Promise<number> {
  const { io, isJson, isColorForbidden } = context;
  // On a terminal the machine takes a fifth of the kernel's own time, so that one sees it work.
  const speed = context.speed ?? (io.stderr.isTerminal ? 5 : null);
  const sink = isJson ? io.stderr : io.stdout;
  return context.runProgram(
    [
      "--host",
      "emulated:demo",
      ...(isColorForbidden ? ["--no-color"] : []),
      ...(speed === null ? [] : ["--speed", `${speed}`]),
      ...argv,
    ],
    {
      ...io,
      stdout: sink,
      stderr: sink,
      env: {
        ...io.env,
        SRIOVCTL_STATE_DIR: join(folder, "state"),
        SRIOVCTL_RUN_DIR: join(folder, "run"),
        // As where nobody has chosen.
        SRIOVCTL_CONFIRM_WITHIN: "",
      },
    },
  );
}

function ending(style: Style): string[] {
  return [
    style("strong", "That was the main job. Your turn:"),
    "  sriovctl --host emulated:demo list       an emulated machine of your own; it remembers",
    "  sriovctl --host emulated:demo import     a spec of what it has, to start from",
    "  sriovctl list                            this computer",
    "  sriovctl --help                          everything else",
  ];
}
