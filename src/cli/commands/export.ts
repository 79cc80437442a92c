// `sriovctl export --to MANAGER`: a spec, or what the host has, as another manager's files. What it
// has no word for is said, and part of the JSON document. `--define` hands pools to libvirt itself.

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { ConfigFile } from "../../coexist/config-file.ts";
import { exporters, exportTargets, isExportTarget } from "../../coexist/exporters.ts";
import { fullInventory, type Host } from "../../host/host.ts";
import { exitCodeOf, SriovError } from "../../model/errors.ts";
import { formatSpec } from "../../model/spec-format.ts";
import type { Spec } from "../../model/spec.ts";
import type { Problem } from "../../model/problem.ts";
import { importSpec } from "../../plan/import.ts";
import { type Arguments, type Context, type RunCommand, withHost } from "../context.ts";
import { exportInputOf } from "../export-input.ts";
import { problemJson } from "../inventory-json.ts";
import { problemSentence } from "../logger.ts";
import { parseSource, readSpecSource } from "../spec-source.ts";
import { clean } from "../style.ts";
import { writeNew } from "./import.ts";

const exportFormat = "sriovctl-export/1";

export const exportCommand: RunCommand = async (context, args) => {
  const to = args.text("to") ?? "";
  if (!isExportTarget(to)) {
    const is = to === "" ? "nobody" : to;
    const message = `Cannot export to ${is}: wanted --to ${exportTargets.join(", ")}`;
    throw new SriovError("usage", message, { operation: "export", target: to });
  }
  assertDefinable(context, args, to);
  const given = args.text("file") === null ? null : parseSource(readSpecSource(args));
  const { input, problems } = await withHost(context, async (host) => {
    const spec = given ?? (await specOfHost(host));
    return await exportInputOf(host, spec, to === "proxmox");
  });
  if (problems.length > 0) {
    for (const problem of problems) context.log.error(problemSentence(problem), problem.hint);
    context.printJson(documentOf(context, to, [], problems));
    return exitCodeOf("spec-problems");
  }
  const { files, lacks } = exporters[to](input);
  for (const each of lacks) context.log.warn(problemSentence(each));
  if (files.length === 0) context.log.warn(`There is nothing in it for ${to}`);
  const document = { ...documentOf(context, to, files, []), lacks: lacks.map(problemJson) };
  if (args.isSet("define")) return await define(context, args, document);
  writeFiles(context, args, files);
  context.printJson(document);
  return 0;
};

/** Throws `usage`. */
function assertDefinable({ hostName }: Context, args: Arguments, to: string): void {
  const refuse = (message: string): SriovError =>
    new SriovError("usage", message, { operation: "export", target: to });
  const isDefining = args.isSet("define");
  if (args.text("connect") !== null && !isDefining) {
    throw refuse("Cannot export with --connect alone: it goes with --define");
  }
  if (!isDefining) return;
  if (to !== "libvirt-network") {
    throw refuse(`Cannot export to ${to} with --define: it is for libvirt-network`);
  }
  if (args.text("out") !== null) {
    throw refuse("Cannot export with --define and --out: wanted one of them");
  }
  if (hostName === "linux") return;
  throw refuse(`Cannot define networks of ${hostName}: libvirt is on this machine`);
}

async function define(
  context: Context,
  args: Arguments,
  document: ReturnType<typeof documentOf>,
): Promise<number> {
  const { settleNetworks } = await import("../../vmm/libvirt/pool-networks.ts");
  const { runCommand } = await import("../../host/linux/command.ts");
  const xmls = document.files.map(({ text }) => text);
  const networks = await settleNetworks(runCommand, args.text("connect"), xmls);
  for (const { name, outcome, message, hint } of networks) {
    if (message === null) context.print(`network ${clean(name)}: ${outcome}`);
    else if (outcome === "waiting") context.log.warn(message, hint ?? "");
    else context.log.error(message, hint ?? "");
  }
  context.printJson({ ...document, networks });
  const isFailed = networks.some(({ outcome }) => outcome === "failed");
  return isFailed ? exitCodeOf("consumer-refused") : 0;
}

const documentOf = (
  context: Context,
  to: string,
  files: readonly ConfigFile[],
  problems: readonly Problem[],
) => ({
  format: exportFormat,
  host: context.hostName,
  to,
  files: files.map(({ path, text }) => ({ path, text })),
  problems: problems.map(problemJson),
});

/** What the host has now, by the same way as a spec that was written. */
async function specOfHost(host: Host): Promise<Spec> {
  const inventory = await host.inventory(fullInventory);
  return parseSource({ source: host.identity.name, text: formatSpec(importSpec(inventory)) });
}

function writeFiles(context: Context, args: Arguments, files: readonly ConfigFile[]): void {
  const out = args.text("out");
  if (out === null) {
    files.forEach(({ path, text }, index) => {
      // A lone XML file can go straight to its reader.
      const heading = files.length === 1 && path.endsWith(".xml") ? [] : [`# ${path}`];
      context.print(...(index === 0 ? [] : [""]), ...heading, ...text.trimEnd().split("\n"));
    });
    return;
  }
  mkdirSync(out, { recursive: true });
  for (const { path, text } of files) {
    const target = join(out, basename(path));
    // NetworkManager and netplan ignore or scold files that others may read.
    writeNew(target, text, 0o600);
    context.log.note(`Wrote ${target}, for ${path}`);
  }
}
