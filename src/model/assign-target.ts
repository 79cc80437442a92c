// Consumers of VFs as text: `KIND:NAME/DEVICE`. A table of kinds, because each has its own rule
// for what a name may be; whether such a consumer exists is for whoever attaches to it to find out.

export type AssignKind =
  | "libvirt"
  | "qemu"
  | "pve"
  | "dpdk"
  | "netns"
  | "pid"
  | "docker"
  | "podman"
  | "lxc";

export type AssignTarget = {
  readonly kind: AssignKind;
  /** Domain, VM, container, namespace or application; a number as text for pve and pid. */
  readonly name: string;
  /** Device alias, `hostpciN` or interface name inside the consumer; null for dpdk. */
  readonly device: string | null;
};

type TargetForm = { readonly form: string; readonly pattern: RegExp };

/** No slash, no white space or control character; starts with a letter, digit or underscore. */
const name = String.raw`[A-Za-z0-9_][^/\s\x00-\x1f\x7f]{0,127}`;
/** net/core/dev.c dev_valid_name(): up to 15 bytes, no slash, colon or space, not "." or ".."; and no
 * `%`, which makes it a pattern of which the kernel chooses the number. */
const interfaceName = String.raw`(?!\.{1,2}$)[!-$&-.0-9;-~]{1,15}`;
const container = "[A-Za-z0-9][A-Za-z0-9_.-]{0,127}";

/** Every kind with its form in words and as a pattern. */
export const targetForms: Readonly<Record<AssignKind, TargetForm>> = {
  libvirt: {
    form: "libvirt:DOMAIN/ALIAS",
    pattern: new RegExp(`^libvirt:${name}/[A-Za-z0-9_-]{1,63}$`),
  },
  qemu: {
    form: "qemu:VM/DEVICE-ID",
    pattern: new RegExp(`^qemu:${name}/[A-Za-z][A-Za-z0-9._-]{0,63}$`),
  },
  pve: {
    form: "pve:VMID/hostpciN",
    pattern: /^pve:[1-9][0-9]{2,8}\/hostpci(?:[0-9]|1[0-5])$/,
  },
  dpdk: { form: "dpdk:APPLICATION", pattern: new RegExp(`^dpdk:${name}$`) },
  netns: { form: "netns:NAME/INTERFACE", pattern: new RegExp(`^netns:${name}/${interfaceName}$`) },
  pid: {
    form: "pid:NUMBER/INTERFACE",
    pattern: new RegExp(`^pid:[1-9][0-9]{0,9}/${interfaceName}$`),
  },
  docker: {
    form: "docker:CONTAINER/INTERFACE",
    pattern: new RegExp(`^docker:${container}/${interfaceName}$`),
  },
  podman: {
    form: "podman:CONTAINER/INTERFACE",
    pattern: new RegExp(`^podman:${container}/${interfaceName}$`),
  },
  lxc: { form: "lxc:CTID/netN", pattern: /^lxc:[1-9][0-9]{2,8}\/net(?:[0-9]|[12][0-9]|3[01])$/ },
};

const netdevKinds: ReadonlySet<AssignKind> = new Set(["netns", "pid", "docker", "podman", "lxc"]);

/** Kinds that hand over a kernel interface: the VF must have a kernel driver. */
export const needsNetdev = (kind: AssignKind): boolean => netdevKinds.has(kind);

/** DPDK works beside these drivers of the kernel, on queues of its own, and not through vfio. */
const bifurcatedDrivers: ReadonlySet<string> = new Set(["mlx4_core", "mlx5_core"]);

export const isBifurcatedDriver = (driver: string | null): boolean =>
  driver !== null && bifurcatedDrivers.has(driver);

const isKind = (kind: string): kind is AssignKind => Object.hasOwn(targetForms, kind);

/** Parses `KIND:NAME[/DEVICE]`; null when the kind is unknown or the form is another. */
export function parseAssignTarget(text: string): AssignTarget | null {
  const colon = text.indexOf(":");
  const kind = text.slice(0, colon);
  if (colon === -1 || !isKind(kind) || !targetForms[kind].pattern.test(text)) return null;
  const slash = text.indexOf("/", colon);
  return slash === -1
    ? { kind, name: text.slice(colon + 1), device: null }
    : { kind, name: text.slice(colon + 1, slash), device: text.slice(slash + 1) };
}

/** A consumer without a device, `libvirt:web1`; null for anything else. */
export function parseConsumer(text: string): AssignTarget | null {
  const [, kind = "", consumer] = /^([a-z]+):([^/]+)$/.exec(text) ?? [];
  return consumer === undefined || !isKind(kind) ? null : { kind, name: consumer, device: null };
}

/** As `parseAssignTarget` reads it. */
export const formatAssignTarget = ({ kind, name, device }: AssignTarget): string =>
  `${kind}:${name}${device === null ? "" : `/${device}`}`;

/** Whether a user of a function that the host shows like this is the consumer itself. The census
 * calls a namespace without a name after a process in it, `sleep-812`. */
export const isOfTarget = (
  { kind, name }: AssignTarget,
  user: { readonly name: string; readonly number?: string },
): boolean =>
  user.name === name ||
  (kind === "pve" && user.number === name) ||
  (kind === "pid" && user.name.endsWith(`-${name}`));

/** The form that a text of a known kind should have had. */
export function formOfTarget(text: string): string | null {
  const kind = text.slice(0, Math.max(0, text.indexOf(":")));
  return isKind(kind) ? targetForms[kind].form : null;
}
