// Which container a process is in, by the name that people know it by. The cgroup tells the runtime
// and its number or name; the runtime's own state file has the name to a number. Where that file
// cannot be read, the number's beginning stands for it, as `docker ps` shows it.

import type { LinuxPaths } from "../paths.ts";
import { TreeReader } from "../tree-reader.ts";

type Container = {
  readonly runtime: string;
  readonly name: string;
  /** `docker container web (process 812)`. */
  readonly words: string;
};

type Runtime = {
  readonly name: string;
  /** The container's number or name in a cgroup's path. */
  readonly pattern: RegExp;
  readonly nameOf: (paths: LinuxPaths, id: string) => string | null;
};

/** State files of containers are some tens of KiB; whatever is longer is none. */
const stateBytesMax = 1 << 20;

/** The value in a JSON file; undefined where there is no such file or it holds something else. */
function readState({ prefix }: LinuxPaths, path: string): unknown {
  const text = new TreeReader().boundedText(`${prefix}${path}`, stateBytesMax);
  if (text === null) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // half written, or no JSON
  }
}

function textAt(state: unknown, ...keys: readonly string[]): string | null {
  let value: unknown = state;
  for (const key of keys) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return null;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === "string" && value !== "" ? value : null;
}

const dockerName = (paths: LinuxPaths, id: string): string | null =>
  textAt(readState(paths, `/var/lib/docker/containers/${id}/config.v2.json`), "Name")?.replace(
    /^\//,
    "",
  ) ?? null;

const podmanFolder = "/var/lib/containers/storage/overlay-containers";

function podmanName(paths: LinuxPaths, id: string): string | null {
  for (const file of ["containers.json", "volatile-containers.json"]) {
    const state = readState(paths, `${podmanFolder}/${file}`);
    const entry = Array.isArray(state) ? state.find((each) => textAt(each, "id") === id) : null;
    const name = textAt(entry, "names", "0");
    if (name !== null) return name;
  }
  return null;
}

function containerdName(paths: LinuxPaths, id: string): string | null {
  const folder = "/run/containerd/io.containerd.runtime.v2.task";
  for (const space of new TreeReader().namesIfThere(`${paths.prefix}${folder}`)) {
    const state = readState(paths, `${folder}/${space}/${id}/config.json`);
    const pod = textAt(state, "annotations", "io.kubernetes.cri.sandbox-name");
    const name = textAt(state, "annotations", "io.kubernetes.cri.container-name");
    if (pod !== null) return name === null ? pod : `${pod}/${name}`;
    const ours = textAt(state, "annotations", "nerdctl/name");
    if (ours !== null) return ours;
  }
  return null;
}

const itself = (_: LinuxPaths, id: string): string => unescapeUnit(id);

/** systemd writes a `-` inside a name as `\x2d`. */
const unescapeUnit = (text: string): string =>
  text.replaceAll(/\\x([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );

const runtimes: readonly Runtime[] = [
  { name: "docker", pattern: /\/docker[-/]([0-9a-f]{64})/, nameOf: dockerName },
  { name: "podman", pattern: /\/libpod-([0-9a-f]{64})/, nameOf: podmanName },
  {
    name: "containerd",
    pattern: /(?:cri-containerd[-:]|\/nerdctl-|\/default\/)([0-9a-f]{64})/,
    nameOf: containerdName,
  },
  { name: "cri-o", pattern: /\/crio-([0-9a-f]{64})/, nameOf: () => null },
  { name: "lxc", pattern: /\/lxc\.payload\.([^/]{1,128})/, nameOf: itself },
  { name: "lxc", pattern: /\/lxc\/([^/]{1,128})/, nameOf: itself },
  { name: "nspawn", pattern: /\/machine-(?!qemu)([^/]{1,128})\.scope/, nameOf: itself },
  { name: "nspawn", pattern: /\/systemd-nspawn@([^/]{1,128})\.service/, nameOf: itself },
];

type Found = { readonly runtime: Runtime; readonly id: string; readonly at: number };

/** The outermost container in a cgroup's path: the one that the host's administrator knows. */
function outermost(path: string): Found | null {
  let first: Found | null = null;
  for (const runtime of runtimes) {
    const match = runtime.pattern.exec(path);
    if (match === null || (first !== null && first.at <= match.index)) continue;
    first = { runtime, id: match[1] ?? "", at: match.index };
  }
  return first;
}

/** null where the process is in no container, or gone. */
export function containerOf(paths: LinuxPaths, pid: number): Container | null {
  const text = new TreeReader().textIfThere(`${paths.proc}/${pid}/cgroup`, ["ESRCH", "EACCES"]);
  for (const line of text?.split("\n") ?? []) {
    const found = outermost(line.slice(line.indexOf(":/") + 1));
    if (found === null) continue;
    const { runtime, id } = found;
    const name = runtime.nameOf(paths, id) ?? id.slice(0, 12);
    const words = `process ${pid} is in ${runtime.name} container ${name}`;
    return { runtime: runtime.name, name, words };
  }
  return null;
}
