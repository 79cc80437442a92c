// Pools of a spec as networks of libvirt: defined, started, and started again with libvirt. Each is known by
// its UUID, which comes from the pool's name, so a network of that name that somebody else made stays as it
// is. Where all is so already nothing is done, and under guests that use it no network is restarted.

import type { RunProgram } from "../program.ts";
import { parseNetwork, type VfNetwork } from "./network.ts";
import { meaningOf, queryDeadlineMs, type Virsh, virshAt, virshWords } from "./virsh.ts";
import { withFile } from "./virsh-file.ts";

type PoolNetwork = {
  readonly name: string;
  /** `waiting`: defined, and guests use it as it was before. */
  readonly outcome: "created" | "changed" | "unchanged" | "waiting" | "failed";
  /** Why it waits or failed; null: it does not. */
  readonly message: string | null;
  readonly hint: string | null;
};

type Refusal = { readonly message: string; readonly hint: string };

type Answer = { readonly text: string } | Refusal;

async function ask(virsh: Virsh, ...words: readonly string[]): Promise<Answer> {
  const output = await virsh(words, queryDeadlineMs);
  const refusal = virshWords(output);
  return refusal === null ? { text: output.stdout.toString("utf8") } : meaningOf(refusal);
}

const isRefusal = (answer: object): answer is Refusal => "message" in answer;

/** null: there is none of this name. */
async function read(virsh: Virsh, words: readonly string[]): Promise<VfNetwork | Refusal | null> {
  const output = await virsh(["net-dumpxml", ...words], queryDeadlineMs);
  const refusal = virshWords(output);
  if (refusal !== null) return isNoNetwork(refusal) ? null : meaningOf(refusal);
  const network = parseNetwork(output.stdout.toString("utf8"));
  if (typeof network !== "string") return network;
  return { message: `libvirt's XML of it is not understood: ${network}`, hint: "See net-dumpxml" };
}

const isNoNetwork = (words: string): boolean =>
  /failed to get network|network not found|no network with matching name/i.test(words);

/** Why what is there may not be replaced; null: it may. */
function foreignOf(present: VfNetwork, wanted: VfNetwork): Refusal | null {
  const { name, foreign } = present;
  if (present.uuid !== wanted.uuid) {
    const message = `libvirt has a network ${name} that sriovctl did not make`;
    return { message, hint: `Rename the pool, or take it away: virsh net-undefine ${name}` };
  }
  if (present.content === wanted.content || foreign.length === 0) return null;
  const more = foreign.map((element) => `<${element}>`).join(", ");
  const message = `somebody added ${more}, which would be lost`;
  return { message, hint: `Bring it to the pool's VFs with virsh net-edit ${name}` };
}

/** Brings what runs to what is defined. */
async function start(virsh: Virsh, wanted: VfNetwork): Promise<Refusal | "done" | "same" | "busy"> {
  const { name } = wanted;
  const info = await ask(virsh, "net-info", name);
  if (isRefusal(info)) return info;
  const isActive = /^Active:\s*yes\s*$/m.test(info.text);
  const steps: string[] = [];
  if (isActive) {
    const live = await read(virsh, [name]);
    if (live !== null && isRefusal(live)) return live;
    if (live !== null && live.content !== wanted.content) {
      if (live.numConnections > 0) return "busy";
      steps.push("net-destroy", "net-start");
    }
  } else steps.push("net-start");
  if (!/^Autostart:\s*yes\s*$/m.test(info.text)) steps.push("net-autostart");
  for (const verb of steps) {
    const answer = await ask(virsh, verb, name);
    if (isRefusal(answer)) return answer;
  }
  return steps.length === 0 ? "same" : "done";
}

async function settle(virsh: Virsh, wanted: VfNetwork, xml: string): Promise<PoolNetwork> {
  const { name } = wanted;
  const as = (outcome: PoolNetwork["outcome"], why: Refusal | null = null): PoolNetwork => {
    const message =
      why === null ? null : `Cannot bring network ${name} to its pool: ${why.message}`;
    return { name, outcome, message, hint: why?.hint ?? null };
  };
  const present = await read(virsh, ["--inactive", name]);
  if (present !== null && isRefusal(present)) return as("failed", present);
  const foreign = present === null ? null : foreignOf(present, wanted);
  if (foreign !== null) return as("failed", foreign);
  const isDefined = present?.content === wanted.content;
  if (!isDefined) {
    const defined = await withFile(xml, async (file) => await ask(virsh, "net-define", file));
    if (isRefusal(defined)) return as("failed", defined);
  }
  const started = await start(virsh, wanted);
  if (started === "busy") {
    const message = "guests use it, so it changes when it is started next";
    const hint = `Once none does: virsh net-destroy ${name}, then run this again`;
    return as("waiting", { message, hint });
  }
  if (typeof started !== "string") return as("failed", started);
  if (present === null) return as("created");
  return as(isDefined && started === "same" ? "unchanged" : "changed");
}

/** `xmls` are networks as `export --to libvirt-network` writes them. */
export async function settleNetworks(
  run: RunProgram,
  endpoint: string | null,
  xmls: readonly string[],
): Promise<readonly PoolNetwork[]> {
  const virsh = virshAt(run, endpoint);
  const settled: PoolNetwork[] = [];
  for (const xml of xmls) {
    const wanted = parseNetwork(xml);
    if (typeof wanted === "string") throw new Error(`export wrote no network: ${wanted}`);
    settled.push(await settle(virsh, wanted, xml));
  }
  return settled;
}
