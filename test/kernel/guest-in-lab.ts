// A guest of guest-vm.ts in a running lab: restored, spoken to through pipes, and
// ended. Several run side by side; each has a folder in the lab with its sockets.

import { guestArguments, guestPipes, savedGuest } from "./guest-vm.ts";
import type { Lab } from "./lab.ts";

type GuestResult = { readonly exitCode: number; readonly printed: string };

export type LabGuest = {
  /** As the VM is called, in -name and for consent. */
  readonly name: string;
  /** In the lab; its qmp.sock is for who is tested. */
  readonly directory: string;
  /** Runs a script in the guest's busybox; times inside the guest are virtual. */
  run(script: string): Promise<GuestResult>;
  /** As `run`, but a non-zero exit code throws. Returns what was printed. */
  check(script: string): Promise<string>;
  /** A command of QEMU's machine protocol, on a monitor of the test's own. */
  qmp(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Names of QEMU's events so far. */
  events(): Promise<string[]>;
  end(): Promise<void>;
};

/** Of a script; on a busy machine the guest has a twentieth of a processor. */
const timeoutMs = 240_000;

/** Shell functions, of builtins only: a program takes seconds to start beside a guest. */
const shellFunctions = `
  exec 5<> scripts.in 6<> scripts.out 7<> monitor.in 8<> monitor.out
  # ID SCRIPT-IN-BASE64: prints the guest's answer, exit code and output in base64
  guest() {
    echo "$1 $2" >&5
    while read -t 200 -r id answer <&6; do [ "$id" = "$1" ] && { echo "$answer"; return; }; done
  }
  # COMMAND JSON: prints the answer; events before it go to the file "events"
  qmp() {
    printf '{"execute": "%s", "arguments": %s}\\n' "$1" "$2" >&7
    while read -t 120 -r line <&8; do
      case $line in
        '{"return":'* | '{"error":'*) echo "$line"; return ;;
        *) echo "$line" >> events ;;
      esac
    done
  }`;

type LabMachine = Pick<LabGuest, "directory" | "qmp" | "events" | "end"> & {
  /** Runs a script of this machine's shell functions, in its folder of the lab. */
  readonly shell: (script: string) => Promise<string>;
};

/** Starts QEMU in the lab, with a monitor on pipes; `words` are shell words. */
export async function startMachine(lab: Lab, name: string, words: string): Promise<LabMachine> {
  const directory = `/run/guests/${name}`;
  const shell = (script: string): Promise<string> =>
    lab.check(`cd ${directory} && ${shellFunctions}\n${script}`, { timeoutMs });
  await lab.check(`mkdir -p ${directory} && cd ${directory} && mkfifo ${guestPipes.join(" ")}
    setsid qemu-system-x86_64 ${words} > log 2>&1 < /dev/null &
    echo $! > pid`);
  await shell(
    "qmp qmp_capabilities {} > /dev/null; kill -0 $(cat pid) || { cat log >&2; exit 1; }",
  );
  return {
    directory,
    shell,
    qmp: async (command, values = {}) => {
      const json = JSON.stringify(values).replaceAll("'", `'\\''`);
      const answer = JSON.parse(await shell(`qmp ${command} '${json}'`));
      if ("error" in answer) throw new Error(`${command}: ${JSON.stringify(answer.error)}`);
      return answer.return;
    },
    events: async () => {
      const lines = await shell("qmp query-status {} > /dev/null; cat events");
      return lines.split("\n").flatMap((line) => {
        const { event } = line === "" ? { event: undefined } : JSON.parse(line);
        return typeof event === "string" ? [event] : [];
      });
    },
    end: async () => {
      const pid = `$(cat ${directory}/pid)`;
      await lab.check(`kill -KILL ${pid}; while kill -0 ${pid} 2> /dev/null; do sleep 0.1; done
        rm -r ${directory}`);
    },
  };
}

/** Restores a guest in the lab, in about 5 s. */
export async function startGuest(lab: Lab, name: string): Promise<LabGuest> {
  const args = guestArguments(`/run/guests/${name}`, name).map((word) => `'${word}'`);
  const words = `${args.join(" ")} -incoming 'file:${savedGuest()}'`;
  const { directory, shell, qmp, events, end } = await startMachine(lab, name, words);
  await shell(`until case $(qmp query-status {}) in *paused*) true ;; *) sleep 0.2; false ;; esac; do
      kill -0 $(cat pid) || { cat log >&2; exit 1; }
    done
    qmp cont {}`);
  let scripts = 0;
  const run: LabGuest["run"] = async (script) => {
    const id = `script-${scripts++}`;
    const answer = await shell(`guest ${id} ${Buffer.from(script).toString("base64")}`);
    const [exitCode, printed = ""] = answer.trim().split(" ");
    if (exitCode === "") throw new Error(`The guest does not end ${script}`);
    return { exitCode: Number(exitCode), printed: Buffer.from(printed, "base64").toString() };
  };
  return {
    name,
    directory,
    run,
    check: async (script) => {
      const { printed, exitCode } = await run(script);
      if (exitCode === 0) return printed;
      throw new Error(`${script}\nexit code ${exitCode}\n${printed}`);
    },
    qmp,
    events,
    end,
  };
}
