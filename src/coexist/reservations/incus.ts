// Incus and LXD: instances by the backup.yaml beside each. The database itself is not read; the file
// has the instance's devices with those of its profiles.

import type { Wish, WishReading } from "../../model/reservation.ts";
import { formatBdf, parseBdf } from "../../model/bdf.ts";
import { Complaints, type ConfigFile } from "../config-file.ts";
import { type ConfigTree, field, fieldsOf, readYaml, textOf } from "../yaml-tree.ts";
import { atAddress, atNetdev, boundedWishes, wishFor } from "./reader.ts";

const textIn = (tree: ConfigTree, key: string): string | null => textOf(field(tree, key));

type Instance = {
  readonly path: string;
  readonly kind: "vm" | "container";
  readonly name: string;
  /** `volatile.NAME.last_state.pci.slot.name` and the like. */
  readonly config: ConfigTree | null;
};

function wishesOfDevice(
  { path, kind, name, config }: Instance,
  device: string,
  tree: ConfigTree,
): Wish[] {
  const common = { kind, name, manager: "incus" } as const;
  const volatile = (key: string): string | null =>
    config === null ? null : textIn(config, `volatile.${device}.${key}`);
  const at = (text: string | null): Wish[] => {
    const bdf = text === null ? null : parseBdf(text);
    if (bdf === null) return [];
    const evidence = `${path}: ${name} has it as ${device}`;
    return [wishFor(atAddress(formatBdf(bdf)), { ...common, role: "function" }, evidence)];
  };
  const [type, nicType, parent] = ["type", "nictype", "parent"].map((key) => textIn(tree, key));
  if (type === "pci") return at(textIn(tree, "address"));
  if (type === "gpu") return at(textIn(tree, "pci"));
  if (type !== "nic" || parent === null || parent === undefined) return [];
  const on = (role: "function" | "vfs" | "shares", words: string): Wish[] => [
    wishFor(atNetdev(parent), { ...common, role }, `${path}: ${device} ${words} ${parent}`),
  ];
  switch (nicType) {
    case "sriov":
      return [...on("vfs", "is a VF of"), ...at(volatile("last_state.pci.slot.name"))];
    case "physical":
      return on("function", "is");
    case "macvlan":
    case "ipvlan":
      return on("shares", "stands on");
    default:
      return [];
  }
}

export function readIncus(files: readonly ConfigFile[]): WishReading {
  const complaints = new Complaints();
  const wishes = files.flatMap((file): Wish[] => {
    const { path, text } = file;
    // Most instances have none of these; the YAML parser is slow.
    if (!/nictype:\s*["']?(?:sriov|physical|macvlan|ipvlan)|type:\s*["']?(?:pci|gpu)/.test(text)) {
      return [];
    }
    const tree = readYaml(file, complaints);
    const instance = field(tree, "instance") ?? field(tree, "container");
    if (instance === null) return [];
    const name = textIn(instance, "name") ?? path.split("/").at(-2) ?? "";
    const kind = textIn(instance, "type") === "virtual-machine" ? "vm" : "container";
    const config = field(instance, "config");
    const devices = field(instance, "expanded_devices") ?? field(instance, "devices");
    const own = fieldsOf(devices).flatMap(({ key, value }) =>
      wishesOfDevice({ path, kind, name, config }, key, value),
    );
    return [...boundedWishes(own)];
  });
  return { wishes, problems: complaints.problems };
}
